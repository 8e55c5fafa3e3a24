"""One module a format: each reads it into plain data and writes plain data into it."""
