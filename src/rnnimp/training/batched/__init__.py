"""Training of many regions at once on a GPU."""
