"""PGEN, the binary format of plink2: reading and writing."""
