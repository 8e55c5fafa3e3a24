"""The comparison of accuracy with programs that impute from the panel itself."""
