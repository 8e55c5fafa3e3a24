"""The haplotype HMM: the Li & Stephens model with learned transitions. Read `reference.py` first."""
