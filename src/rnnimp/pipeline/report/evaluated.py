"""What `rnnimp evaluate` left behind: the scores of groups, sites and samples, and the tables of calibration.

An evaluation may be of several imputations, which were then scored at the same sites of the same samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.evaluate.calibration import ESTIMATE_COLUMNS, FILTER_COLUMNS, RELIABILITY_COLUMNS
from rnnimp.pipeline.evaluate.tables import DIFFERENCE_COLUMNS, GROUP_COLUMNS, NAME_COLUMN, SAMPLE_COLUMNS
from rnnimp.pipeline.report.binning import maf_classes
from rnnimp.pipeline.report.reading import has_column, numbers, positions, read_columns, read_rows
from rnnimp.wording import shortened

ALL = "all"
"""The group of all sites, and the bin of all frequencies."""

BY_SAMPLES, BY_TYPE, BY_REGION = "samples", "type", "region"

_COMMAND = "rnnimp evaluate"
_SITES, _SAMPLES, _GROUPS, _DIFFERENCES = "sites.tsv.gz", "samples.tsv.gz", "groups.tsv", "differences.tsv"
_JSON = "evaluation.json"
_SITE_COLUMNS = ("position", "maf", "r2")
_CALIBRATION = {
    "estimates": (ESTIMATE_COLUMNS, ("sites",), ("mean_estimate", "mean_r2")),
    "filters": (FILTER_COLUMNS, ("sites", "kept"), ("precision", "recall", "mean_r2_kept")),
    "reliability": (RELIABILITY_COLUMNS, ("count",), ("mean_probability", "observed")),
}
"""For each table its columns, and those of them that are whole numbers and real ones."""

_GROUP_REALS = ("mean_r2", "mean_r2_low", "mean_r2_high", "aggregate_r2", "concordance", "nrd")
_BIN = re.compile(rf"{ALL}|\d{{1,2}}(\.\d{{1,20}})?-\d{{1,2}}(\.\d{{1,20}})?")

Rows = Sequence[dict[str, str]]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The scores of one imputation.

    Attributes:
        label: Its name, for legends.
        positions: Positions of its n_sites scored sites, int64 (n_sites,).
        classes: Class of minor allele frequency, int64 (n_sites,); -1 where not known.
        r2: Dosage r2, float64 (n_sites,); NaN where the truth does not vary.
        groups: Rows of the table of groups, with intervals over samples.
        differences: Rows of the table of differences to the first imputation of the evaluation.
        samples: Rows of the table of samples.
        calibration: Rows of the tables `estimates`, `filters` and `reliability`; empty without calibration.
    """

    label: str
    positions: NDArray[np.int64]
    classes: NDArray[np.int64]
    r2: NDArray[np.float64]
    groups: Rows
    differences: Rows
    samples: Rows
    calibration: dict[str, Rows]

    def scores(self, by: str) -> Rows:
        """The rows of groups of a kind: `ALL`, `BY_SAMPLES`, `BY_TYPE` or `BY_REGION`."""
        return [row for row in self.groups if row["by"] == by]

    def overall(self) -> dict[str, str]:
        """The row of all sites."""
        return next(row for row in self.scores(ALL) if row["maf_percent"] == ALL)


def labelled(text: str) -> tuple[str | None, str]:
    """Label and prefix of an evaluation that is given as `PREFIX` or `LABEL=PREFIX`.

    The prefix may also be given as `PREFIX.evaluation.json`.

    Raises:
        SettingsError: for an empty name.

    >>> labelled("eval/chr22"), labelled("Beagle=eval/beagle")
    ((None, 'eval/chr22'), ('Beagle', 'eval/beagle'))
    >>> labelled("eval/chr22.evaluation.json")
    (None, 'eval/chr22')
    """
    label, separator, prefix = text.partition("=")
    if not separator:
        label, prefix = "", text
    if not prefix or (separator and not label):
        raise SettingsError(f"--accuracy takes PREFIX or LABEL=PREFIX, found '{text}'")
    return label or None, prefix.removesuffix(f".{_JSON}")


def evaluated_paths(prefix: str) -> list[Path]:
    """The files that may be read."""
    endings = [_SITES, _SAMPLES, _GROUPS, _DIFFERENCES, *(f"{name}.tsv" for name in _CALIBRATION)]
    return [Path(f"{prefix}.{ending}") for ending in endings]


def read_evaluations(texts: Sequence[str]) -> list[Evaluated]:
    """Read evaluations that are given as `PREFIX` or `LABEL=PREFIX`, in order.

    Raises:
        DataError: if a table is missing or damaged.
        SettingsError: if two imputations have one name.
    """
    found = [part for text in texts for part in read_evaluated(*labelled(text))]
    names = [part.label for part in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"--accuracy: expected different names, found {twice} twice; give LABEL=PREFIX")
    return found


def read_evaluated(label: str | None, prefix: str) -> list[Evaluated]:
    """Read one evaluation: one or several imputations.

    Args:
        label: Name of the imputation; stands before the names if there are several. None for the names themselves, or
            for the end of the prefix.
        prefix: Prefix of the tables.

    Raises:
        DataError: if a table is missing or damaged.
    """
    for ending in (_SITES, _SAMPLES, _GROUPS):
        if not Path(f"{prefix}.{ending}").exists():
            raise DataError(
                f"expected a table of '{_COMMAND} --output {prefix}', found no such file; give the prefix that "
                f"'{_COMMAND}' wrote to, or evaluate again with this version",
                f"{prefix}.{ending}",
            )
    if not has_column(f"{prefix}.{_GROUPS}", NAME_COLUMN):
        return [_Tables(prefix, None).evaluated(label or Path(prefix).name)]
    names = dict.fromkeys(row[NAME_COLUMN] for row in read_rows(f"{prefix}.{_GROUPS}", (NAME_COLUMN,), _COMMAND))
    return [_Tables(prefix, name).evaluated(f"{label} {name}" if label else name) for name in names]


class _Tables:
    """The tables of one imputation.

    Args:
        prefix: Prefix of the tables.
        name: Name of the imputation in the first columns; None for tables of one only.
    """

    def __init__(self, prefix: str, name: str | None) -> None:
        self._prefix, self._name = prefix, name

    def evaluated(self, label: str) -> Evaluated:
        places, classes, r2 = self._sites()
        differences = Path(f"{self._prefix}.{_DIFFERENCES}")
        rows = []
        if self._name and differences.exists():
            rows = read_rows(differences, DIFFERENCE_COLUMNS, _COMMAND, reals=("difference", "low", "high"))
        return Evaluated(
            label,
            places,
            classes,
            r2,
            self._groups(),
            [row for row in rows if row["imputed"] == self._name],
            self._rows(_SAMPLES, SAMPLE_COLUMNS, ("genotypes",), ("r2", "nrd")),
            dict(self._calibration()),
        )

    def _groups(self) -> Rows:
        rows = self._rows(_GROUPS, GROUP_COLUMNS, ("samples", "sites", "varying"), _GROUP_REALS)
        path = f"{self._prefix}.{_GROUPS}"
        odd = next((row["maf_percent"] for row in rows if not _BIN.fullmatch(row["maf_percent"])), None)
        if odd is not None:
            raise DataError(f"expected bins such as 0.5-1 or {ALL} as maf_percent, found '{shortened(odd)}'", path)
        if not any((row["by"], row["maf_percent"]) == (ALL, ALL) for row in rows):
            raise DataError("expected a row of all sites, found none; evaluate again", path)
        return rows

    def _rows(self, ending: str, columns: Sequence[str], counts: Sequence[str], reals: Sequence[str]) -> Rows:
        names = columns if self._name is None else (NAME_COLUMN, *columns)
        rows = read_rows(f"{self._prefix}.{ending}", names, _COMMAND, counts, reals)
        return [row for row in rows if row.pop(NAME_COLUMN, None) == self._name]

    def _calibration(self) -> Iterator[tuple[str, Rows]]:
        for name, (columns, *kinds) in _CALIBRATION.items():
            if Path(f"{self._prefix}.{name}.tsv").exists():
                yield name, self._rows(f"{name}.tsv", columns, *kinds)

    def _sites(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        path = f"{self._prefix}.{_SITES}"
        names = _SITE_COLUMNS if self._name is None else (NAME_COLUMN, *_SITE_COLUMNS)
        columns = read_columns(path, names, _COMMAND)
        chosen = slice(None) if self._name is None else np.array(columns[NAME_COLUMN], dtype=object) == self._name
        classes = maf_classes(numbers(columns, "maf", path, high=0.5))
        found = positions(columns, path)[chosen], classes[chosen], numbers(columns, "r2", path)[chosen]
        if not len(found[0]):
            raise DataError("expected scored sites, found none; evaluate again", path)
        return found
