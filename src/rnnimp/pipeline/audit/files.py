"""The files of an audit: all results as JSON, the figures as a table, and a private table with names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence

import numpy as np

from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import number_text, write_table
from rnnimp.pipeline.audit.card import card_section
from rnnimp.pipeline.audit.page import page
from rnnimp.pipeline.audit.results import AuditResults
from rnnimp.pipeline.audit.summary import Scoring, distances
from rnnimp.privacy.figures import FALSE_POSITIVE_RATES, Estimate

ENDINGS = ("json", "tsv", "html", "card.md", "private.tsv")

FIGURE_COLUMNS = (
    *("attack", "subject", "region", "auc", "auc_low", "auc_high"),
    *(f"tpr_{rate:g}{part}" for rate in FALSE_POSITIVE_RATES for part in ("", "_low", "_high")),
    *("d_prime", "members", "outsiders"),
)


_INNERMOST_LIST = re.compile(r"\[\s+([^][{}\"]*?)\s+\]")


def json_text(results: AuditResults) -> str:
    """The content of the JSON file: indented, with each list of numbers on one line."""
    text = json.dumps(results.as_dict(), indent=2, allow_nan=False)
    return _INNERMOST_LIST.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def figure_rows(results: AuditResults) -> Iterator[list[str]]:
    """One row per attack, subject and region, and per attack and subject over all regions."""
    for result in results.results:
        found = result.figures
        estimates = [found.auc, *(found.tpr[rate] for rate in FALSE_POSITIVE_RATES)]
        region = "all" if result.region is None else str(result.region)
        yield [
            *(result.attack, result.subject, region),
            *(text for estimate in estimates for text in _texts(estimate)),
            *(number_text(found.d_prime), str(found.n_members), str(found.n_outsiders)),
        ]


def _texts(estimate: Estimate) -> list[str]:
    values = (estimate.value, estimate.low, estimate.high)
    return ["NA" if value is None else number_text(value) for value in values]


def private_columns(scoring: Scoring) -> list[str]:
    """Columns of the private table; one per attack at the end."""
    return ["rank", "sample", "group", "distance", *scoring.total()]


def private_rows(scoring: Scoring, names: Sequence[str]) -> Iterator[list[str]]:
    """One row per person who was tested, the most exposed first.

    Args:
        scoring: Scores of everyone.
        names: Names of everyone, in the same order.
    """
    distance = distances(scoring)
    for rank, person in enumerate(np.argsort(-distance, kind="stable").tolist(), start=1):
        group = "member" if scoring.is_member[person] else "outsider"
        scores = [number_text(float(scores[person]), 4) for scores in scoring.total().values()]
        yield [str(rank), names[person], group, number_text(float(distance[person]), 4), *scores]


def write_files(paths: Sequence[str], results: AuditResults, scoring: Scoring, names: Sequence[str]) -> None:
    """Write all files, which take their names together. Only their owner may read the private one.

    Args:
        paths: Names of the files, one for each of `ENDINGS`.
        results: The results.
        scoring: Scores of everyone.
        names: Names of everyone who was tested.
    """
    content, table, readable, card, private = paths
    with AtomicGroup() as group:
        group.open(content).write(json_text(results).encode())
        write_table(group.open(table), FIGURE_COLUMNS, figure_rows(results))
        group.open(readable).write(page(results).encode())
        group.open(card).write(card_section(results).encode())
        named = group.open(private)
        if group.is_regular(private):
            os.fchmod(named.fileno(), 0o600)
        write_table(named, private_columns(scoring), private_rows(scoring, names))
