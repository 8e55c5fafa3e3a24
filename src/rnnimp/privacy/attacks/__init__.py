"""Membership attacks: one module per attack, and the list of all of them in `registry.py`."""
