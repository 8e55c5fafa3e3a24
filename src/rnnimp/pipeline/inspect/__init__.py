"""Say what a file or a model is, from its content: read only, and never the whole of a large file."""
