"""The Python API: the commands as functions, with arrays in memory where that helps.

`rnnimp` itself offers all names of this module. The functions are thin: each calls the same stage of `rnnimp.pipeline`
as its command does. They report by `logging`, under the name `rnnimp`, and print nothing themselves. Bad arguments and
bad data raise an `RnnimpError`. Its message names options as the commands do: `--min-r2` is the argument `min_r2`.
"""

from rnnimp.api.evaluating import compare, evaluate, read_genotypes
from rnnimp.api.files import inspect, merge
from rnnimp.api.haplotypes import Haplotypes, read_haplotypes
from rnnimp.api.imputing import Imputed, impute, write_genotypes
from rnnimp.api.model import Model, load_model
from rnnimp.api.panels import prepare, split
from rnnimp.api.reporting import report
from rnnimp.api.training import audit, status, train
from rnnimp.errors import RnnimpError
from rnnimp.sites.panel import Sites

__all__ = [
    "Haplotypes",
    "Imputed",
    "Model",
    "RnnimpError",
    "Sites",
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
