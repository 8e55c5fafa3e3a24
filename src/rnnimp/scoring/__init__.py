"""How good imputed genotypes are: without the truth (R2), and against it (r2, calibration)."""
