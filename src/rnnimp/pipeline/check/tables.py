"""The tables of `rnnimp check`: one line per sample, and one per site of the target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import number_text, write_table
from rnnimp.pipeline.check.quality import TargetQuality
from rnnimp.sites.matching import MatchKind

SAMPLES_ENDING = "target_samples.tsv"
SITES_ENDING = "target_sites.tsv.gz"
SAMPLE_COLUMNS = ("sample", "call_rate", "called_at_markers")
SITE_COLUMNS = (
    *("id", "position", "a0", "a1", "match", "call_rate", "frequency"),
    *("a0_a0", "a0_a1", "a1_a1", "hardy_weinberg_p"),
)
_KINDS = {kind: kind.name.lower() for kind in MatchKind}


def write_tables(
    group: AtomicGroup,
    prefix: str | Path,
    quality: TargetQuality,
    kinds: NDArray[np.int8],
    called_at_markers: NDArray[np.float64],
) -> None:
    """Write both tables.

    Args:
        group: Files that take their names together.
        prefix: Prefix of the files.
        quality: Figures of the target.
        kinds: The `MatchKind` of each site, int8 (n_sites,).
        called_at_markers: Share of each sample's alleles that is called at the markers, float64 (n_samples,).
    """
    columns = (quality.sample_call_rates.tolist(), called_at_markers.tolist())
    rows = ((name, *map(_rate, rates)) for name, *rates in zip(quality.sample_names, *columns, strict=True))
    write_table(group.open(f"{prefix}.{SAMPLES_ENDING}"), SAMPLE_COLUMNS, rows)
    write_table(group.open(f"{prefix}.{SITES_ENDING}"), SITE_COLUMNS, _site_rows(quality, kinds))


def _site_rows(quality: TargetQuality, kinds: NDArray[np.int8]) -> Iterator[tuple[str, ...]]:
    sites, genotypes = quality.sites, quality.genotypes
    for row, kind in enumerate(kinds.tolist()):
        numbers = [int(column[row]) for column in (genotypes.none, genotypes.one, genotypes.two)]
        p = float(quality.hardy_weinberg[row])
        yield (
            *(str(sites.ids[row]), str(int(sites.positions[row])), str(sites.a0[row]), str(sites.a1[row])),
            *(_KINDS[MatchKind(kind)], _rate(float(quality.site_call_rates[row]))),
            *(number_text(float(quality.frequencies[row])), *map(str, numbers)),
            "NA" if p != p else f"{p:.4g}",
        )


def _rate(value: float) -> str:
    return number_text(value, 4)
