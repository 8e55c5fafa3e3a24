"""How good imputed genotypes are: without the truth (R2, INFO), and against it (r2, calibration)."""
