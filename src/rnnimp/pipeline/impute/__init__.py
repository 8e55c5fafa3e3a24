"""Stage `impute`: read a target, check it against the model, impute, write."""
