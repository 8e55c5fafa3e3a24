"""Points of the frontier, each an accuracy and a leak: from audits, in tables, and from a search's trials."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.formats.tables import number_text, write_table
from rnnimp.pipeline.audit.results import FLOOR, MODEL
from rnnimp.privacy.figures import FALSE_POSITIVE_RATES, Estimate

LONGEST_MATCH = "longest_match"
FALSE_ALARMS = FALSE_POSITIVE_RATES[0]
"""The rate of false alarms, 1%, at which the share of members found is shown."""

CONTROL, PROGRAM = FLOOR, "program"
KINDS = (MODEL, PROGRAM, CONTROL)
NO_ESTIMATE = Estimate(None)

_ESTIMATES = ("mean_r2", "auc", "tpr", "longest_match_auc", "chance_auc")
COLUMNS = (
    *("name", "kind", "attack"),
    *(f"{name}{end}" for name in _ESTIMATES for end in ("", "_low", "_high")),
)
TRIAL_COLUMNS = ("name", "family", "mean_r2", "auc", "tpr")


@dataclass(frozen=True)
class Leak:
    """What the strongest attack finds, added up over all regions.

    Attributes:
        attack: Name of the attack with the greatest AUC.
        auc: Its AUC.
        tpr: The share of members that it finds at 1% false alarms.
        longest_match: AUC of the longest match with a state of the HMM; no value without HMM.
        chance: AUC that the best attack has by chance; no value if not known.
    """

    attack: str
    auc: Estimate
    tpr: Estimate
    longest_match: Estimate = NO_ESTIMATE
    chance: Estimate = NO_ESTIMATE


@dataclass(frozen=True)
class Point:
    """One imputation of the comparison.

    Attributes:
        name: Its label.
        kind: One of `KINDS`: a model, a program that has the panel, or allele frequencies only.
        mean_r2: Mean r2 of a site, with the interval of the bootstrap over samples.
        leak: What it tells.
    """

    name: str
    kind: str
    mean_r2: Estimate
    leak: Leak


@dataclass(frozen=True)
class Trial:
    """One trial of a search for recipes.

    Attributes:
        name: Its name.
        family: Trials of one family have the same mark in the picture.
        mean_r2: Mean r2 of a site.
        auc: AUC of the strongest attack.
        tpr: Share of members found at 1% false alarms; NaN if not known.
    """

    name: str
    family: str
    mean_r2: float
    auc: float
    tpr: float


def strongest(found: Mapping[str, tuple[Estimate, Estimate]], chance: Estimate = NO_ESTIMATE) -> Leak:
    """The leak from the AUC and the share of members found of each attack; of equal AUCs, the first.

    Args:
        found: Both by attack, over all regions.
        chance: The AUC that the best attack has by chance.
    """
    attack = max(found, key=lambda name: found[name][0].value or 0.0)
    longest = found[LONGEST_MATCH][0] if LONGEST_MATCH in found else NO_ESTIMATE
    return Leak(attack, *found[attack], longest, chance)


def audited_leak(audit: Mapping[str, Any], subject: str = MODEL) -> Leak:
    """The leak of a model, or of a control, from the JSON file of `rnnimp audit`.

    Raises:
        DataError: if it has no figures of the subject over all regions, or is of another version of rnnimp.
    """
    try:
        return _audited_leak(audit, subject)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"expected an audit by this version of rnnimp, found one without {error}; audit again"
        ) from error


def _audited_leak(audit: Mapping[str, Any], subject: str) -> Leak:
    found = {
        result["attack"]: (_read(result["figures"]["auc"]), _read(result["figures"]["tpr"][f"{FALSE_ALARMS:g}"]))
        for result in audit["results"]
        if result["subject"] == subject and result["region"] is None
    }
    if not found:
        raise DataError(f"expected figures of '{subject}' over all regions in the audit, found none; audit again")
    return strongest(found, _read(audit["chance"]) if subject == MODEL else NO_ESTIMATE)


def _read(content: Mapping[str, Any]) -> Estimate:
    return Estimate(content["value"], content["low"], content["high"], content["note"])


def read_audit(path: Path) -> dict[str, Any]:
    """The JSON file of `rnnimp audit`.

    Raises:
        DataError: if it is no JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"expected the JSON file of 'rnnimp audit' ({error}); audit again", path) from error
    return content


def write_points(file: IO[bytes], points: Iterable[Point]) -> None:
    """Write one row per point."""
    write_table(file, COLUMNS, (_row(point) for point in points))


def _row(point: Point) -> list[str]:
    leak = point.leak
    cells = [point.name, point.kind, leak.attack]
    for estimate in (point.mean_r2, leak.auc, leak.tpr, leak.longest_match, leak.chance):
        for value in (estimate.value, estimate.low, estimate.high):
            cells.append(number_text(math.nan if value is None else value, 4))
    return cells


def read_points(path: Path) -> list[Point]:
    """Read what `write_points` wrote.

    Raises:
        DataError: for other columns, or values that are no numbers.
    """
    points = []
    for number, row in _rows(path, COLUMNS):
        if row["kind"] not in KINDS:
            raise DataError(f"expected a kind of {', '.join(KINDS)}, found '{row['kind']}'", path, number)
        found = [_estimate(row, name, path, number) for name in _ESTIMATES]
        points.append(Point(row["name"], row["kind"], found[0], Leak(row["attack"], *found[1:])))
    return points


def read_trials(path: Path) -> list[Trial]:
    """Read a table of trials: tab-separated, with at least the columns `TRIAL_COLUMNS`.

    Raises:
        DataError: for missing columns, or values that are no numbers.
    """
    trials = []
    for number, row in _rows(path, TRIAL_COLUMNS):
        values = [_number(row[name], path, number) for name in TRIAL_COLUMNS[2:]]
        trials.append(Trial(row["name"], row["family"], *values))
    return trials


def digest(points: Sequence[Point], trials: Sequence[Trial]) -> str:
    """SHA-256 of what a picture shows, which the picture carries: it tells whether it was drawn from these tables."""
    rows = [_row(point) for point in points]
    rows += [[trial.name, trial.family, *map(repr, (trial.mean_r2, trial.auc, trial.tpr))] for trial in trials]
    return hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()


def _rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the numbers of their lines."""
    reader = csv.DictReader(read_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    absent = [name for name in columns if name not in (reader.fieldnames or ())]
    if absent:
        raise DataError(f"expected columns {', '.join(columns)}, found none named {absent[0]}", path, 1)
    for row in reader:
        if None in row.values() or None in row:
            raise DataError("expected as many values as there are columns", path, reader.line_num)
        yield reader.line_num, row


def _number(text: str, path: Path, line: int) -> float:
    """A number; NaN for `NA`."""
    try:
        return math.nan if text == "NA" else float(text)
    except ValueError as error:
        raise DataError(f"expected a number or NA, found '{text}'", path, line) from error


def _estimate(row: Mapping[str, str], name: str, path: Path, line: int) -> Estimate:
    values = [_number(row[name + end], path, line) for end in ("", "_low", "_high")]
    value, low, high = (None if math.isnan(number) else number for number in values)
    return Estimate(value, low, high)
