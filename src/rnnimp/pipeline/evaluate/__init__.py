"""Stage `evaluate`: compare imputed genotypes with the truth."""
