"""The bidirectional recurrent networks. Read `reference.py` first."""
