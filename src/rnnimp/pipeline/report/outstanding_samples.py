"""A picture of the samples of an imputation, in which those that differ from the others stand out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.binning import robust_distances, thinned
from rnnimp.pipeline.report.imputed import ImputedSamples
from rnnimp.pipeline.report.parts import Chart, Picture, Table, Value

MOST_SAMPLES = 3000
"""Points in the picture."""

FAR = 5.0
"""Robust standard deviations from which on a sample stands out."""

_GROUPS = ("stands out", "as the others")
_N_LISTED = 20


def samples_picture(samples: ImputedSamples) -> Picture:
    """How many alleles were imputed in each sample, and how uncertain they are."""
    far = _distances(samples)
    kept, n_far = thinned(far, MOST_SAMPLES), int(np.count_nonzero(far >= FAR))
    shown = "all are shown"
    if len(kept) < len(far):
        shown = f"{len(kept):,} are shown: those that stand out most, and a random choice of the others"
    order = np.argsort(-far, kind="stable")[:_N_LISTED]
    names = ("sample", "alt_alleles", "uncertainty", "called", "distance", "group")
    return Picture(
        "samples",
        "Samples that stand out",
        f"Points, one per sample: how many alleles a1 were imputed, and how uncertain they are. {n_far} of {len(far)} "
        "samples stand out.",
        f"{len(far):,} samples; {shown}. {n_far} lie {FAR:.0f} robust standard deviations or more from the median. "
        "They may have another ancestry, or bad genotypes or phase.",
        _chart(),
        {"samples": Table.of(names, _rows(samples, far, kept))},
        Table.of(names, _rows(samples, far, order)),
    )


def outstanding(samples: ImputedSamples) -> NDArray[np.intp]:
    """The samples that stand out, the farthest first; indices."""
    far = _distances(samples)
    order = np.argsort(-far, kind="stable")
    return order[: int(np.count_nonzero(far >= FAR))]


def _distances(samples: ImputedSamples) -> NDArray[np.float64]:
    """How far each sample is from the median, in robust standard deviations, float64 (n_samples,)."""
    by_uncertainty, by_alleles = (robust_distances(column) for column in (samples.uncertainty, samples.alt_alleles))
    return np.asarray(np.maximum(np.abs(by_uncertainty), np.abs(by_alleles)), dtype=np.float64)


def _rows(samples: ImputedSamples, far: NDArray[np.float64], chosen: NDArray[np.intp]) -> list[tuple[Value, ...]]:
    columns = (samples.alt_alleles, samples.uncertainty, samples.called, far)
    return [
        (samples.names[row], *(round(float(column[row]), 6) for column in columns), _GROUPS[int(far[row] < FAR)])
        for row in chosen.tolist()
    ]


def _chart() -> Chart:
    points = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.7},
        "encoding": {
            "x": charts.quantity("alt_alleles", "imputed alleles a1", zero=False),
            "y": charts.quantity("uncertainty", "uncertainty", zero=False),
            **charts.series("group", _GROUPS, with_dashes=False),
            "tooltip": charts.tooltip(
                ("sample", "", ""),
                ("alt_alleles", "imputed alleles a1", ",.0f"),
                ("uncertainty", "uncertainty", ".4f"),
                ("called", "called", ".3f"),
            ),
        },
    }
    return charts.chart("samples", [points])
