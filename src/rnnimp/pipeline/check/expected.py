"""What accuracy to expect in each region, from the markers present. It is no measurement of the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnimp.formats.bundle import Bundle, RegionEntry

BASIS = (
    "validation_r2 is the mean r2 of the region's networks on samples of the panel held out from training, with all "
    "markers. The expectation goes by the share of these markers that the target has. It rests on measurements with "
    "the default recipe of version 2.1 on 1000 Genomes, chromosomes 20 and 22: r2 was up to 0.02 lower with 20% of the "
    "markers missing at random, and 0.02 to 0.10 lower with every second one missing, rare variants losing most. "
    "Recipes of later versions lose more, most of all models without haplotype HMM. The target itself was not "
    "measured: another ancestry than the panel's, errors of phase and of genotypes lower the accuracy further."
)
"""What the expectations rest on. The measurements are in the benchmarks of the documentation."""

_LEVELS = (
    (0.95, "as in validation"),
    (0.8, "slightly lower"),
    (0.5, "lower"),
    (0.2, "much lower"),
    (0.0, "poor"),
)
"""The least share of markers, and what to expect."""


def expectation(share: float) -> str:
    """What to expect of a region, given the share of its markers that the target has.

    >>> expectation(1.0), expectation(0.5), expectation(0.1)
    ('as in validation', 'lower', 'poor')
    """
    return next(text for least, text in _LEVELS if share >= least)


def expected_accuracy(regions: Sequence[dict[str, Any]], bundle: Bundle) -> dict[str, Any]:
    """One record per region, and what they rest on.

    Args:
        regions: Records of the regions, from the report of the checks.
        bundle: The model; without a manifest its validation is not known.
    """
    entries = {} if bundle.manifest is None else {entry.index: entry for entry in bundle.manifest.regions}
    records = [
        {
            "index": region["index"],
            "first_imputed": region["first_imputed"],
            "last_imputed": region["last_imputed"],
            "marker_share": region["share"],
            "validation_r2": _validation_r2(entries.get(region["index"])),
            "expectation": expectation(region["share"]),
        }
        for region in regions
    ]
    return {"basis": BASIS, "regions": records}


def _validation_r2(entry: RegionEntry | None) -> float | None:
    """Of the network whose results are used; None where the manifest does not give it."""
    found = None if entry is None else entry.validation_r2()
    return None if found is None else round(found, 4)
