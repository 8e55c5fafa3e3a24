"""The fields of the small tables in a training's folder, checked whenever one is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnimp.formats.schema import (
    CHECKSUMS,
    CHROMOSOME,
    FLAG,
    NUMBER,
    TEXTS,
    Field,
    table_problem,
    whole_number,
)
from rnnimp.network.names import HYBRID, NETWORKS
from rnnimp.sites.interval import LAST_POSITION

_NUMBER_OR_NULL = NUMBER.or_null()


def _has_hybrid(value: Any) -> bool:
    """Whether there is a table of evaluations for each network, the hybrid among them."""
    is_table = isinstance(value, dict) and all(isinstance(scores, dict) for scores in value.values())
    return is_table and _NUMBER_OR_NULL.is_right(value.get(HYBRID, {}).get("validation_r2", ""))


def _has_seed(value: Any) -> bool:
    return table_problem(value, {"seed": whole_number(0, 2**64 - 1)}, is_open=True) is None


LINE = Field("a text", lambda value: isinstance(value, str))
PLAN: Mapping[str, Field] = {"n_regions": whole_number(1, 100_000), "chromosome": CHROMOSOME.or_null()}
SETTINGS: Mapping[str, Field] = {"settings": Field("a table with a seed", _has_seed), "data": TEXTS}
SUMMARY: Mapping[str, Field] = {
    "files": CHECKSUMS,
    "n_markers": whole_number(1),
    "n_sites": whole_number(1),
    "first_position": whole_number(1, LAST_POSITION),
    "last_position": whole_number(1, LAST_POSITION),
    "chromosome": CHROMOSOME.or_null(),
    "networks": Field("evaluations of each network", _has_hybrid),
    "versions": TEXTS.optional(),
}
FAILURE: Mapping[str, Field] = {"reason": LINE, "log": LINE.or_null()}
PROGRESS: Mapping[str, Field] = {
    "network": Field("a network", lambda value: value in NETWORKS),
    "network_number": whole_number(1),
    "n_networks": whole_number(1),
    "iteration": whole_number(),
    "max_iterations": whole_number(),
    "share_done": NUMBER,
    "validation_r2": _NUMBER_OR_NULL,
    "seconds_left": _NUMBER_OR_NULL,
    "is_upper_bound": FLAG,
}
