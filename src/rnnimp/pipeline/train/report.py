"""Messages about regions whose training has ended. torch is not needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnnimp.cluster.estimate import in_words
from rnnimp.cluster.slices import format_regions
from rnnimp.network.names import HYBRID, TITLES
from rnnimp.wording import MOST_NAMED, counted

if TYPE_CHECKING:
    from rnnimp.training.loop import Evaluation


def result_line(
    number: int, summary: Mapping[str, Any], evaluations: Mapping[str, Evaluation], seconds: float | None = None
) -> str:
    """The region's result in one line: the final model's R2 first, then its parts'.

    Args:
        number: Number of the region.
        summary: Summary of the region, as it is written.
        evaluations: Evaluations of the weights kept, by network name.
        seconds: How long it took in this process; None if it was trained in a group.
    """
    final = evaluations[HYBRID]
    parts = [
        f"{TITLES[name]} {_r2(row)} (weights of iteration {row.iteration})"
        for name, row in evaluations.items()
        if name != HYBRID
    ]
    trained = f"combined by weights of iteration {final.iteration}"
    how = trained if final.iteration else "combining them needs no training"
    time = "" if seconds is None else f" in {seconds:.0f} s" if seconds < 60 else f" in {in_words(seconds)}"
    size = f"{counted(summary['n_markers'], 'marker')}, {counted(summary['n_sites'], 'site')} to impute"
    held_out = counted(summary["validation_samples"], "held-out sample")
    return (
        f"region {number}: finished{time}; {size}; final model: R2 {_r2(final)} on {held_out}; its parts: "
        f"{', '.join(parts)}; {how}"
    )


def _r2(evaluation: Evaluation) -> str:
    r2 = evaluation.validation_r2
    return "not defined (no site varies)" if math.isnan(r2) else f"{r2:.4f}"


def reasons_by_region(reasons: Mapping[int, str]) -> str:
    """List the regions of each reason. At most the first three are named, then the number of the others.

    >>> reasons_by_region({1: "waiting", 2: "waiting", 3: "waiting", 7: "lost"})
    'regions 1-3: waiting; region 7: lost'
    >>> reasons_by_region({1: "a", 3: "a", 5: "a", 7: "a", 9: "a", 10: "a"})
    'regions 1,3,5 and 3 more: a'
    >>> reasons_by_region({1: "a", 2: "b", 3: "c", 4: "d", 5: "d"})
    'region 1: a; region 2: b; region 3: c; and 2 more regions'
    """
    numbers: dict[str, list[int]] = {}
    for number, reason in reasons.items():
        numbers.setdefault(reason, []).append(number)
    named = list(numbers)[:MOST_NAMED]
    parts = [f"{_regions(numbers[reason])}: {reason}" for reason in named]
    left = len(reasons) - sum(len(numbers[reason]) for reason in named)
    more = [f"and {counted(left, 'more region')}"] if left else []
    return "; ".join([*parts, *more])


def _regions(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"region {numbers[0]}"
    ranges = format_regions(numbers)
    if ranges.count(",") < MOST_NAMED:
        return f"regions {ranges}"
    return f"regions {format_regions(numbers[:MOST_NAMED])} and {len(numbers) - MOST_NAMED} more"
