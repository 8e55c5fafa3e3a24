"""The fields of a manifest, of its regions, and of what a region's summary may say: the rule of each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnimp.formats.schema import CHECKSUMS, CHROMOSOME, TABLE, TEXT, TEXTS, Field, whole_number
from rnnimp.sites.interval import LAST_POSITION

_MOST_REGIONS = 100_000
REGION: Mapping[str, Field] = {
    "index": whole_number(1, _MOST_REGIONS),
    "files": CHECKSUMS,
    "n_markers": whole_number(1),
    "n_sites": whole_number(1),
    "first_position": whole_number(1, LAST_POSITION),
    "last_position": whole_number(1, LAST_POSITION),
    "summary": TABLE.optional(),
}


def _is_recipe(value: Any) -> bool:
    """Whether it has a name, and changed settings with the values of the model and of the recipe."""
    changed = value.get("changed_settings") if isinstance(value, dict) else None
    return (
        isinstance(changed, dict)
        and TEXT.is_right(value.get("name"))
        and all(map(TEXT.is_right, changed))
        and all(isinstance(both, dict) and {"model", "recipe"} <= both.keys() for both in changed.values())
    )


SUMMARY: Mapping[str, Field] = {
    "recipe": Field("a recipe with its name and changed settings", _is_recipe).optional(),
    "frequency_step": Field(
        "a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1
    ).optional(),
    "panel": TEXT.optional(),
}
MANIFEST: Mapping[str, Field] = {
    "format": TEXT,
    "format_version": whole_number(1),
    "rnnimp_version": TEXT,
    "versions": TEXTS,
    "chromosome": CHROMOSOME.or_null(),
    "settings": TABLE,
    "seed": whole_number(0, 2**64 - 1),
    "regions": Field("a list of regions", lambda value: isinstance(value, list) and 0 < len(value) <= _MOST_REGIONS),
    "n_regions": whole_number(1, _MOST_REGIONS).or_null().optional(),
}
