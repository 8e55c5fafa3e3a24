"""Looking at files, and joining imputed ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnimp.pipeline.inspect import run as inspect_stage
from rnnimp.pipeline.inspect.findings import Inspection
from rnnimp.pipeline.merge.run import MergeSettings, run_merge


def inspect(path: str | Path) -> Inspection:
    """Say what a file or a model is.

    Args:
        path: A file that rnnimp reads or writes, or the prefix of a model.

    Returns:
        `kind`, in words; `facts`, plain values by name; and `problems`, one line each.

    Raises:
        RnnimpError: if there is no such file, its kind is not known, or it is damaged.
    """
    return inspect_stage.inspect(path)


def merge(inputs: Sequence[str | Path], output: str | Path) -> Path:
    """Join VCFs and BCFs that `impute` wrote with the same model: batches of samples, or parts of a chromosome.

    Args:
        inputs: Two files or more, with their `PREFIX.sums.tsv.gz` beside them. The command `rnnimp impute` writes
            these sums, and so does `write_genotypes`.
        output: File to write, `.vcf` or `.vcf.gz`.

    Returns:
        The path of the file.

    Raises:
        RnnimpError: if the files do not fit together, or one is missing or damaged.
    """
    return run_merge(MergeSettings(tuple(map(str, inputs)), str(output)))
