"""Impute a target with a model: plan, run the regions, keep the sites that are written."""
