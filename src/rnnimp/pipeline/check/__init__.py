"""The stage `check`: what `rnnimp impute` would say about a target, and the quality of the target itself."""
