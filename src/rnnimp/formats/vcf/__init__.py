"""VCF and BCF: reading, writing, headers and the CSI index."""
