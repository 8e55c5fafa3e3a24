"""Stage `merge`: join imputed parts of a cohort or a chromosome."""
