"""What `rnnimp evaluate` left behind: the scores of sites, and of estimates where calibration was asked for.

Several evaluations are compared on the sites that all of them scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.evaluate.calibration import ESTIMATE_COLUMNS, FILTER_COLUMNS, RELIABILITY_COLUMNS
from rnnimp.pipeline.evaluate.tables import SITE_COLUMNS
from rnnimp.pipeline.report.binning import maf_classes
from rnnimp.pipeline.report.reading import numbers, read_columns
from rnnimp.sites.panel import SiteKey

_COMMAND = "rnnimp evaluate"
_SITES = "sites.tsv.gz"
_OPTIONAL = {"estimates": ESTIMATE_COLUMNS, "filters": FILTER_COLUMNS, "reliability": RELIABILITY_COLUMNS}

Rows = tuple[dict[str, str], ...]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One evaluation.

    Attributes:
        label: Name of the imputation, for legends.
        prefix: Prefix of the files.
        keys: Position and alleles of its n_sites scored sites.
        maf: Minor allele frequency in the panel, or wherever the evaluation took it from, float64 (n_sites,).
        r2: Dosage r2, float64 (n_sites,); NaN where the truth or the dosages do not vary.
        tables: Rows of the tables `estimates`, `filters` and `reliability`; empty without calibration.
    """

    label: str
    prefix: str
    keys: tuple[SiteKey, ...]
    maf: NDArray[np.float64]
    r2: NDArray[np.float64]
    tables: dict[str, Rows]


@dataclass(frozen=True, eq=False)
class Compared:
    """Several evaluations on the sites that all of them scored with an r2.

    Attributes:
        labels: Names of the imputations.
        positions: int64 (n_sites,), rising.
        classes: Class of minor allele frequency, by the first evaluation, int64 (n_sites,); -1 where not known.
        r2: float64 (n_imputations, n_sites), without NaN.
        n_left_out: Sites that some but not all of them scored.
    """

    labels: tuple[str, ...]
    positions: NDArray[np.int64]
    classes: NDArray[np.int64]
    r2: NDArray[np.float64]
    n_left_out: int


def labelled(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Labels and prefixes of evaluations that are given as `PREFIX` or `LABEL=PREFIX`.

    Raises:
        SettingsError: for an empty name, or two of the same.

    >>> labelled(["eval/chr22", "Beagle=eval/beagle"])
    [('chr22', 'eval/chr22'), ('Beagle', 'eval/beagle')]
    """
    pairs = []
    for text in texts:
        label, separator, prefix = text.partition("=")
        pairs.append((label, prefix) if separator else (Path(text).name, text))
    names = [label for label, _ in pairs]
    for label, prefix in pairs:
        if not label or not prefix:
            raise SettingsError(f"--accuracy takes PREFIX or LABEL=PREFIX, found '{label}={prefix}'")
        if names.count(label) > 1:
            raise SettingsError(f"--accuracy: expected different labels, found {label} twice; give LABEL=PREFIX")
    return pairs


def evaluated_paths(prefix: str) -> list[Path]:
    """The files that may exist."""
    return [Path(f"{prefix}.{_SITES}"), *(Path(f"{prefix}.{name}.tsv") for name in _OPTIONAL)]


def read_evaluated(label: str, prefix: str) -> Evaluated:
    """Read an evaluation.

    Raises:
        DataError: if its table of sites is missing, or a table is damaged.
    """
    path = Path(f"{prefix}.{_SITES}")
    if not path.exists():
        raise DataError(
            f"expected the sites of '{_COMMAND} --output {prefix}', found no such file; give the prefix that "
            f"'{_COMMAND}' wrote to",
            path,
        )
    columns = read_columns(path, SITE_COLUMNS, _COMMAND)
    positions = numbers(columns, "position", path).astype(np.int64).tolist()
    keys = tuple(zip(positions, columns["a0"], columns["a1"], strict=True))
    return Evaluated(
        label, prefix, keys, numbers(columns, "maf", path), numbers(columns, "r2", path), dict(_tables(prefix))
    )


def _tables(prefix: str) -> Sequence[tuple[str, Rows]]:
    found = []
    for name, expected in _OPTIONAL.items():
        path = Path(f"{prefix}.{name}.tsv")
        if not path.exists():
            continue
        columns = read_columns(path, expected, f"{_COMMAND} --calibration")
        rows = zip(*(columns[column] for column in expected), strict=True)
        found.append((name, tuple(dict(zip(expected, row, strict=True)) for row in rows)))
    return found


def compared(evaluations: Sequence[Evaluated]) -> Compared:
    """Put evaluations side by side.

    Raises:
        DataError: if they have no scored site in common.
    """
    scored = [{key: row for row, key in enumerate(part.keys) if part.r2[row] == part.r2[row]} for part in evaluations]
    first = evaluations[0]
    shared = [key for key in scored[0] if all(key in rows for rows in scored[1:])]
    if not shared:
        names = ", ".join(part.prefix for part in evaluations)
        raise DataError(f"expected scored sites in common, found none: {names}; evaluate against the same truth")
    rows = np.array([[part[key] for key in shared] for part in scored], dtype=np.int64)
    positions = np.array([key[0] for key in shared], dtype=np.int64)
    order = np.argsort(positions, kind="stable")
    n_all = len(set().union(*scored))
    return Compared(
        tuple(part.label for part in evaluations),
        positions[order],
        maf_classes(first.maf[rows[0]])[order],
        np.stack([part.r2[row][order] for part, row in zip(evaluations, rows, strict=True)]),
        n_all - len(shared),
    )
