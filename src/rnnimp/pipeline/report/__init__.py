"""`rnnimp report`: one page for people, made from what the other commands leave behind."""
