"""The stage `audit`: attacks a model, and reports what it tells about the people whom it was trained on."""
