"""Genotype imputation by recurrent neural networks, without the reference panel."""

__version__ = "2.0.0"

__all__ = ["__version__"]
