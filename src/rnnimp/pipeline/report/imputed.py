"""What `rnnimp impute` left behind under a prefix: the site table, the findings of the checks, the sample table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import OUTPUT_FORMATS
from rnnimp.errors import DataError
from rnnimp.formats import site_table
from rnnimp.pipeline.impute import samples as sample_table
from rnnimp.pipeline.impute.report import report_path
from rnnimp.pipeline.report.binning import maf_classes
from rnnimp.pipeline.report.checks_file import read_checks
from rnnimp.pipeline.report.reading import numbers, positions, read_columns
from rnnimp.sites.panel import IMPUTED

IMPUTED_KIND, TYPED_KIND = 0, 1
KIND_NAMES = ("imputed", "typed")

_COMMAND = "rnnimp impute"
_MOST_ALLELES = 1e12


@dataclass(frozen=True, eq=False)
class ImputedSites:
    """The site table as columns.

    Attributes:
        chromosome: Name of the chromosome; `NA` where not known.
        ids: Names of the sites, n_sites of them.
        positions: int64 (n_sites,).
        classes: Class of minor allele frequency, int64 (n_sites,); -1 where not known.
        kinds: `IMPUTED_KIND` or `TYPED_KIND`, int64 (n_sites,).
        r2: Estimated R2, float64 (n_sites,); NaN where undefined.
        n_empirical: Sites with an empirical R2.
    """

    chromosome: str
    ids: Sequence[str]
    positions: NDArray[np.int64]
    classes: NDArray[np.int64]
    kinds: NDArray[np.int64]
    r2: NDArray[np.float64]
    n_empirical: int

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class ImputedSamples:
    """The sample table as columns.

    Attributes:
        names: Names of the samples.
        called: Share of alleles called at the observed markers, float64 (n_samples,).
        alt_alleles: Expected number of alleles a1 at imputed sites, float64 (n_samples,).
        uncertainty: Mean of p (1 - p), float64 (n_samples,); NaN where nothing was imputed.
    """

    names: Sequence[str]
    called: NDArray[np.float64]
    alt_alleles: NDArray[np.float64]
    uncertainty: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ImputedFiles:
    """All of an imputation that exists.

    Attributes:
        prefix: Prefix of the files.
        sites: The site table.
        checks: Content of `PREFIX.checks.json`.
        samples: The sample table.
    """

    prefix: str
    sites: ImputedSites | None
    checks: dict[str, Any] | None
    samples: ImputedSamples | None


def bare_prefix(path: str) -> str:
    """The prefix of an imputation, also where the name of its genotypes' file is given.

    >>> bare_prefix("out/chr22.vcf.gz"), bare_prefix("out/chr22")
    ('out/chr22', 'out/chr22')
    """
    endings = [f".{name}" for name in OUTPUT_FORMATS if path.endswith(f".{name}")]
    return path.removesuffix(max(endings, key=len, default=""))


def paths_of(prefix: str) -> dict[str, Path]:
    """The files that may exist, by what they are."""
    bare = bare_prefix(prefix)
    return {
        "sites": Path(f"{bare}.{site_table.ENDING}"),
        "checks": report_path(bare),
        "samples": Path(f"{bare}.{sample_table.ENDING}"),
    }


def read_imputed(prefix: str) -> ImputedFiles:
    """Read what an imputation left behind.

    Raises:
        DataError: if there is nothing, or a file is damaged.
    """
    paths = {name: path for name, path in paths_of(prefix).items() if path.exists()}
    if not paths:
        expected = ", ".join(str(path) for path in paths_of(prefix).values())
        raise DataError(f"expected results of '{_COMMAND}' under the prefix {prefix}, found none of {expected}")
    return ImputedFiles(
        bare_prefix(prefix),
        _read_sites(paths["sites"]) if "sites" in paths else None,
        read_checks(paths["checks"]) if "checks" in paths else None,
        _read_samples(paths["samples"]) if "samples" in paths else None,
    )


def _read_sites(path: Path) -> ImputedSites:
    columns = read_columns(path, site_table.COLUMNS, _COMMAND)
    if not columns["position"]:
        raise DataError("expected sites, found none; impute again", path)
    return ImputedSites(
        columns["chromosome"][0],
        columns["id"],
        positions(columns, path),
        maf_classes(numbers(columns, "MAF", path, high=0.5)),
        np.array([IMPUTED_KIND if kind == IMPUTED else TYPED_KIND for kind in columns["kind"]], dtype=np.int64),
        numbers(columns, "R2", path),
        int(np.count_nonzero(~np.isnan(numbers(columns, "ER2", path)))),
    )


def _read_samples(path: Path) -> ImputedSamples:
    columns = read_columns(path, sample_table.COLUMNS, _COMMAND)
    if not columns["sample"]:
        raise DataError("expected samples, found none; impute again", path)
    most = {"called": 1.0, "alt_alleles": _MOST_ALLELES, "uncertainty": 1.0}
    values = (numbers(columns, name, path, high=high) for name, high in most.items())
    return ImputedSamples(columns["sample"], *values)
