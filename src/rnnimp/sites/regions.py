"""Cutting a chromosome into regions small enough for a network.

A region has a body and two flanks. The body has the sites that the region imputes, with the markers between them. The
flanks are markers on either side that give the network context. Bodies do not overlap, and together they contain every
imputed site. Flanks reach into neighbouring bodies.

1. Pieces of the partition are cut into bodies.
2. A short last body of a piece joins the one before it.
3. Each body gets its flanks, across the borders of pieces.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BODY_MARKERS, FLANK_MARKERS, IMPUTED_SITES
from rnnimp.errors import DataError, SettingsError
from rnnimp.sites.panel import Sites
from rnnimp.wording import counted

_OPTIONS = {
    "body_markers": "--body-marker-count-limit",
    "flank_markers": "--flanking-marker-count-limit",
    "imputed_sites": "--imp-site-count-limit",
}
LEAST_MARKERS = 2
"""Of a part of a chromosome that gets regions: training needs as many."""

SMALLEST_LAST_REGION = 0.2
"""A piece's last region with a smaller share of the site limit joins the one before it."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegionLimits:
    """How large a region may get.

    Attributes:
        body_markers: Most markers in a body.
        flank_markers: Markers in a flank; a flank also takes what body and other flank leave unused.
        imputed_sites: Imputed sites in a body; passed only by the sites up to the next marker.
    """

    body_markers: int = BODY_MARKERS
    flank_markers: int = FLANK_MARKERS
    imputed_sites: int = IMPUTED_SITES

    def __post_init__(self) -> None:
        for name, lowest in (("body_markers", 1), ("flank_markers", 0), ("imputed_sites", 1)):
            if getattr(self, name) < lowest:
                raise SettingsError(f"{_OPTIONS[name]} must be {lowest} or more, found {getattr(self, name)}")


@dataclass(frozen=True)
class Region:
    """One region over the rows of a chromosome's sites.

    Attributes:
        body: The body's rows, `start <= row < stop`; the first is an imputed site.
        left_flank: Rows of the markers before the body, int64; rising.
        right_flank: Rows of the markers after the body, int64; rising.
    """

    body: range
    left_flank: NDArray[np.int64]
    right_flank: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """All rows of the region in order: flank markers, body, flank markers."""
        return np.concatenate([self.left_flank, np.arange(self.body.start, self.body.stop), self.right_flank])

    def shifted(self, by: int) -> Region:
        """The same region over sites of which `by` more come first."""
        return Region(range(self.body.start + by, self.body.stop + by), self.left_flank + by, self.right_flank + by)


def plan_regions(sites: Sites, limits: RegionLimits, piece_stops: Sequence[int] = ()) -> list[Region]:
    """Cut a chromosome into regions.

    Args:
        sites: All sites of the chromosome in order, with marker flags; sites that are neither markers nor to be imputed
            are already dropped.
        limits: The sizes.
        piece_stops: Last position of each piece of the partition, rising; a piece holds the sites up to and including
            its stop, the last piece all that follow. Empty for no partition.

    Returns:
        The regions in order.

    Raises:
        DataError: if there is no marker, or nothing to impute.
    """
    is_marker = sites.markers()
    if not is_marker.any():
        raise DataError("no site is flagged as an array marker, so nothing could be imputed from; check the markers")
    if is_marker.all():
        raise DataError("every site is an array marker, so nothing is left to impute; check the marker flags")
    inner_stops = np.searchsorted(sites.positions, np.asarray(piece_stops[:-1], dtype=np.int64), side="right")
    borders = [0, *inner_stops.tolist(), len(sites)]
    bodies = [body for start, stop in pairwise(borders) for body in _bodies_of_piece(is_marker, start, stop, limits)]
    marker_rows = np.flatnonzero(is_marker)
    return [_with_flanks(body, marker_rows, limits) for body in bodies]


def plan_parts(
    sites: Sites, parts: NDArray[np.int64], limits: RegionLimits, piece_stops: Sequence[int] = ()
) -> list[Region]:
    """Cut a chromosome into regions that have all their rows, flanks too, in one part of it.

    Samples have the same ploidy in a part: chrX has three. A part without two markers and a site to impute gets no
    region, unless it is the only one.

    Args:
        sites: See `plan_regions`.
        parts: Number of each site's part, int64 (n_sites,); rising.
        limits: The sizes.
        piece_stops: See `plan_regions`.

    Raises:
        DataError: if nothing can be imputed in any part.
    """
    if not len(parts) or parts[0] == parts[-1]:
        return plan_regions(sites, limits, piece_stops)
    regions: list[Region] = []
    for part in np.unique(parts).tolist():
        start, stop = np.searchsorted(parts, [part, part + 1]).tolist()
        own = sites[start:stop]
        n_markers = int(np.count_nonzero(own.markers()))
        if n_markers < LEAST_MARKERS or n_markers == len(own):
            logger.warning(
                "warning: %s to %d, a part of the chromosome with a ploidy of its own, gets no region: %s and %d to "
                "impute there",
                *(own.positions[0], own.positions[-1], counted(n_markers, "marker"), len(own) - n_markers),
            )
            continue
        regions += [region.shifted(start) for region in plan_regions(own, limits, piece_stops)]
    if not regions:
        raise DataError("no part of the chromosome has two array markers and a site to impute; check the markers")
    return regions


def _bodies_of_piece(is_marker: NDArray[np.bool_], start: int, stop: int, limits: RegionLimits) -> list[range]:
    bodies = list(_fill_bodies(is_marker, start, stop, limits))
    if len(bodies) < 2:
        return bodies
    last, joined = bodies[-1], range(bodies[-2].start, bodies[-1].stop)
    n_markers = np.count_nonzero(is_marker[joined.start : joined.stop])
    n_imputed = np.count_nonzero(~is_marker[last.start : last.stop])
    if n_imputed < SMALLEST_LAST_REGION * limits.imputed_sites and n_markers <= limits.body_markers:
        bodies[-2:] = [joined]
    return bodies


def _fill_bodies(is_marker: NDArray[np.bool_], start: int, stop: int, limits: RegionLimits) -> Iterator[range]:
    """Bodies of one piece, each from an imputed site to the site before a marker or to the last imputed site."""
    body_start: int | None = None
    last_imputed = n_markers = n_imputed = 0
    for row, marker in enumerate(is_marker[start:stop].tolist(), start):
        if not marker:
            if body_start is None:
                body_start, n_markers, n_imputed = row, 0, 0
            n_imputed += 1
            last_imputed = row
        elif body_start is not None:
            if n_imputed >= limits.imputed_sites or n_markers >= limits.body_markers:
                yield range(body_start, last_imputed + 1)
                body_start = None
            else:
                n_markers += 1
    if body_start is not None:
        yield range(body_start, last_imputed + 1)


def _with_flanks(body: range, marker_rows: NDArray[np.int64], limits: RegionLimits) -> Region:
    before = int(np.searchsorted(marker_rows, body.start))
    after = int(np.searchsorted(marker_rows, body.stop))
    unused = limits.body_markers - (after - before)
    share = limits.flank_markers + max(unused, 0) // 2
    n_left = min(share, before)
    n_right = min(share + (share - n_left), len(marker_rows) - after)
    n_left = min(n_left + max(share - n_right, 0), before)
    return Region(body, marker_rows[before - n_left : before], marker_rows[after : after + n_right])
