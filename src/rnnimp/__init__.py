"""Genotype imputation by recurrent neural networks, without the reference panel.

The names of the Python API are imported from `rnnimp.api` when they are first used, so that `import rnnimp` is quick.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rnnimp.api import (
        Haplotypes,
        Imputed,
        Model,
        RnnimpError,
        Sites,
        audit,
        compare,
        evaluate,
        impute,
        inspect,
        load_model,
        merge,
        prepare,
        read_genotypes,
        read_haplotypes,
        report,
        split,
        status,
        train,
        write_genotypes,
    )

__version__ = "2.2.0"

__all__ = [
    "Haplotypes",
    "Imputed",
    "Model",
    "RnnimpError",
    "Sites",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "impute",
    "inspect",
    "load_model",
    "merge",
    "prepare",
    "read_genotypes",
    "read_haplotypes",
    "report",
    "split",
    "status",
    "train",
    "write_genotypes",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'rnnimp' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("rnnimp.api"), name)


def __dir__() -> list[str]:
    return __all__
