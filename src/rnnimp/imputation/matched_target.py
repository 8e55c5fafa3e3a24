"""A model's sites joined to one list, and a target that is matched to it once.

The match is made when the target has been read. Checks, strand flips, dropped sites and the plan of the imputation
all use this one match: whoever changes the target's sites gets a `MatchedTarget` whose match is updated with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle, BundleRegion
from rnnimp.sites.matching import MatchCounts, SiteMatch, match_again, match_sites
from rnnimp.sites.panel import MISSING, Panel, PanelStream, Sites
from rnnimp.sites.target_checks import flip_strand

_BLOCK_SITES = 256


@dataclass(frozen=True, eq=False)
class JoinedModel:
    """The sites of a model's regions in one list.

    Attributes:
        prefix: of the model files, for messages.
        chromosome: its name; None if the model does not say it.
        regions: those that impute something, in order of position.
        sites: each site of any region once, with marker flags; neighbouring regions share their flanks.
        rows: for each region, int64 (n_region_sites,), the row in `sites` of each of its sites.
    """

    prefix: Path
    chromosome: str | None
    regions: tuple[BundleRegion, ...]
    sites: Sites
    rows: tuple[NDArray[np.int64], ...]


def join_model(bundle: Bundle) -> JoinedModel:
    """Join the sites of a model's regions.

    Raises:
        DataError: if regions overlap, or two regions impute the same site.
    """
    regions = regions_in_order(bundle)
    sites, rows = _joined_sites(regions)
    return JoinedModel(bundle.prefix, bundle.chromosome, tuple(regions), sites, tuple(rows))


def regions_in_order(bundle: Bundle) -> list[BundleRegion]:
    """The regions that impute something, in order of position, whatever their numbers are.

    Raises:
        DataError: if they overlap.
    """
    regions = [region for region in bundle.regions if region.imputed_rows.size]
    regions.sort(key=imputed_span)
    for before, after in pairwise(regions):
        if imputed_span(after)[0] < imputed_span(before)[1]:
            raise DataError(
                f"expected regions that do not overlap, found imputed sites of region {before.index} and region "
                f"{after.index} among each other; are these files of one model?",
                bundle.prefix,
            )
    return regions


def imputed_span(region: BundleRegion) -> tuple[int, int]:
    """First and last position that a region imputes."""
    positions = region.sites.positions[region.imputed_rows]
    return int(positions[0]), int(positions[-1])


def _joined_sites(regions: list[BundleRegion]) -> tuple[Sites, list[NDArray[np.int64]]]:
    """All regions' sites, each once, and for each region the row of each of its sites among them."""
    if not regions:
        return Sites.build([], [], [], is_marker=np.empty(0, bool)), []
    row_of_key: dict[tuple[int, str, str], int] = {}
    rows = [
        np.fromiter((row_of_key.setdefault(key, len(row_of_key)) for key in region.sites.keys()), np.int64)
        for region in regions
    ]
    joined = np.concatenate(rows)
    _, first_rows = np.unique(joined, return_index=True)
    _require_distinct(regions, rows)
    return Sites.concatenate([region.sites for region in regions])[first_rows], rows


def _require_distinct(regions: list[BundleRegion], rows: list[NDArray[np.int64]]) -> None:
    """Refuse a model in which two regions impute the same site."""
    owner: dict[int, BundleRegion] = {}
    for region, region_rows in zip(regions, rows, strict=True):
        for row, site in zip(region_rows[region.imputed_rows].tolist(), region.imputed_rows.tolist(), strict=True):
            other = owner.setdefault(row, region)
            if other is not region:
                raise DataError(
                    f"expected each site imputed once, found {region.sites.positions[site]} also in region "
                    f"{other.index}; are these files of one model?",
                    region.legend_path,
                )


@dataclass(frozen=True, eq=False)
class MatchedTarget:
    """A target, a model, and which site of the one is which site of the other.

    Attributes:
        panel: the target's phased haplotypes, in order of position.
        model: the model.
        match: of `panel.sites` and `model.sites`.
    """

    panel: Panel
    model: JoinedModel
    match: SiteMatch

    @property
    def counts(self) -> MatchCounts:
        """Totals of the match."""
        return self.match.counts(self.model.sites.markers())

    def with_flipped(self, rows: NDArray[np.int64]) -> MatchedTarget:
        """The target with the alleles of some sites, int64 (n_rows,), complemented.

        Only the sites at the positions of these rows are matched again.
        """
        if not rows.size:
            return self
        panel = replace(self.panel, sites=flip_strand(self.panel.sites, rows))
        return replace(self, panel=panel, match=match_again(self.match, panel.sites, self.model.sites, rows))

    def with_missing(self, rows: NDArray[np.int64]) -> MatchedTarget:
        """The target with all alleles of some sites, int64 (n_rows,), missing; the sites stay matched."""
        if not rows.size:
            return self
        is_hidden = np.zeros((len(self.panel.sites), 1), dtype=bool)
        is_hidden[rows] = True
        blocks = (
            replace(block, alleles=np.where(is_hidden[part], np.int8(MISSING), block.alleles))
            for part, block in self._blocks(np.arange(len(self.panel.sites)))
        )
        return replace(self, panel=PanelStream(self.panel.sample_names, blocks).read())

    def take(self, rows: NDArray[np.int64]) -> MatchedTarget:
        """Only some sites of the target, int64 (n_rows,), rising; model sites of the others count as not observed."""
        blocks = (block for _, block in self._blocks(rows))
        panel = PanelStream(self.panel.sample_names, blocks).read()
        return replace(self, panel=panel, match=self.match.take(rows))

    def _blocks(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Panel]]:
        """Some rows of the target, block by block: all its alleles at once may be too large for memory."""
        for start in range(0, len(rows), _BLOCK_SITES):
            part = rows[start : start + _BLOCK_SITES]
            yield part, self.panel[part]


def match_target(panel: Panel, model: JoinedModel) -> MatchedTarget:
    """Match a target to a model.

    Args:
        panel: phased haplotypes in order of position.
        model: from `join_model`.
    """
    return MatchedTarget(panel, model, match_sites(panel.sites, model.sites))
