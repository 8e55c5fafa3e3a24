"""Reading the target of an imputation, in any of its formats, whole: it has the array's few sites."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rnnimp.errors import DataError
from rnnimp.formats import hapslegend, vcf
from rnnimp.formats.files import read_lines
from rnnimp.panel import Panel


class TargetFiles(Protocol):
    """Where a target lies; see `ImputeSettings`."""

    @property
    def hap(self) -> str | None:
        """Haplotypes, with `legend`."""

    @property
    def legend(self) -> str | None:
        """Their sites."""

    @property
    def sample(self) -> str | None:
        """Their sample names."""

    @property
    def vcf(self) -> str | None:
        """VCF or BCF."""

    @property
    def chromosome(self) -> str | None:
        """Its name as asked for."""

    @property
    def keep_first_duplicate(self) -> bool:
        """Whether sites of a VCF that repeat are left out, not refused."""


@dataclass(frozen=True, eq=False)
class Target:
    """A target and what its file says besides.

    Attributes:
        panel: phased haplotypes in order of position.
        name: of the file, for messages.
        contig_length: of the chromosome in base pairs, where the file says so.
        n_repeated: sites of the file that were left out as repeated.
    """

    panel: Panel
    name: str
    contig_length: int | None = None
    n_repeated: int = 0


def read_target(files: TargetFiles, model_chromosome: str | None) -> Target:
    """Read a target.

    Args:
        files: where it lies.
        model_chromosome: of the model, where it is known; files of several chromosomes are read there.

    Raises:
        DataError: naming what is malformed, and where.
    """
    if files.vcf is not None:
        # a VCF may hold other chromosomes, which the model has nothing to say about
        chromosome = files.chromosome or model_chromosome
        stream = vcf.open_panel(
            files.vcf, None, chromosome, keep_first_duplicate=files.keep_first_duplicate, keep_monomorphic=True
        )
        panel = stream.read()
        return Target(panel, files.vcf, stream.contig_length, stream.left_out[vcf.REPEATED])
    assert files.hap is not None and files.legend is not None
    panel = hapslegend.open_panel(files.hap, files.legend, files.sample, files.chromosome).read()
    return Target(panel, files.legend)


def chosen_samples(target: Target, path: str | None) -> Target:
    """The samples that a file names, in the target's order; all without one.

    Raises:
        DataError: if the target has not all of them, or the file names none.
    """
    if path is None:
        return target
    names = [name for name in read_lines(path) if name.strip()]
    unknown = set(names) - set(target.panel.sample_names)
    if unknown or not names:
        found = f"no {sorted(unknown)[0]}" if unknown else "no name"
        raise DataError(f"expected samples of the target, a name a line, found {found}; check --samples", path)
    chosen = set(names)
    rows = np.flatnonzero([name in chosen for name in target.panel.sample_names])
    return replace(target, panel=target.panel.take_samples(rows))
