"""A model's sites joined to one list, and a target that is matched to it once.

The match is made when the target has been read. Checks, strand flips, dropped sites and the plan of the imputation
all use this one match. A step that changes the target's sites returns a `MatchedTarget` with an updated match.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.bundle import Bundle, BundleRegion
from rnnimp.sites.matching import (
    MatchCounts,
    MatchKind,
    SiteMatch,
    complete_alleles,
    match_again,
    match_sites,
    reference_alleles,
)
from rnnimp.sites.panel import MISSING, Panel, PanelStream, Sites
from rnnimp.sites.target_checks import flip_strand
from rnnimp.wording import counted, first_few

_BLOCK_SITES = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class JoinedModel:
    """The sites of a model's regions in one list.

    Attributes:
        prefix: Prefix of the model files, for messages.
        chromosome: Name of the chromosome; None if the model does not say it.
        regions: Those that impute something, in order of position.
        sites: Each site of any region once, with marker flags; neighbouring regions share their flanks.
        rows: For each region, int64 (n_region_sites,), the row in `sites` of each of its sites.
    """

    prefix: Path
    chromosome: str | None
    regions: tuple[BundleRegion, ...]
    sites: Sites
    rows: tuple[NDArray[np.int64], ...]

    @property
    def frequency_step(self) -> float:
        """The sites' `a1_freq` are at most half of this from the panel's frequencies; 0 where they are exact."""
        return max((region.frequency_step for region in self.regions), default=0.0)

    @property
    def lacks_hmm(self) -> bool:
        """Whether it is known that a region has no haplotype HMM."""
        return any(region.has_hmm is False for region in self.regions)


def separate_starts(model: JoinedModel) -> list[int]:
    """First positions of the regions behind all sites of the regions before them; not of the first region.

    Flanks reach into neighbouring regions, except where a part of chrX ends.
    """
    starts, end = [], 0
    for region in sorted(model.regions, key=lambda region: int(region.sites.positions[0])):
        first = int(region.sites.positions[0])
        if 0 < end < first:
            starts.append(first)
        end = max(end, int(region.sites.positions[-1]))
    return starts


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
        panel: The target's phased haplotypes, in order of position.
        model: The model.
        match: Match of `panel.sites` and `model.sites`.
    """

    panel: Panel
    model: JoinedModel
    match: SiteMatch

    @property
    def counts(self) -> MatchCounts:
        """Totals of the match."""
        return self.match.counts(self.model.sites.markers())

    @property
    def is_in_model(self) -> NDArray[np.bool_]:
        """True for sites of the target that the model has, bool (n_target_sites,)."""
        return np.isin(self.match.kinds, (MatchKind.MATCHED, MatchKind.SWAPPED))

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

    def with_model_alleles(self) -> MatchedTarget:
        """The target with REF and ALT of the sites that the model has as the model's panel has them.

        Formats other than VCF do not define which allele is REF. So that all outputs agree, matched sites are written
        with the panel's REF, their genotypes exchanged where the target has the alleles the other way round. ALT that
        the target does not know is completed. Ids that are made of the alleles follow.
        """
        sites, model = self.panel.sites, self.model.sites
        reference, is_known = reference_alleles(model)
        rows = self.match.target_index
        a0, a1 = sites.a0.copy(), complete_alleles(sites, model, self.match)
        is_exchanged = np.zeros(len(model), dtype=np.bool_)
        matched = np.flatnonzero((rows >= 0) & is_known)
        is_exchanged[matched] = a0[rows[matched]] != reference[matched]
        exchanged = rows[is_exchanged]
        self._warn_of_orientation(exchanged, rows[(rows >= 0) & ~is_known & self.match.is_swapped])
        ids = sites.ids.copy()
        for row in exchanged.tolist():
            ids[row] = _exchanged_id(ids[row], int(sites.positions[row]), a0[row], sites.a1[row], a1[row])
        a0[exchanged], a1[exchanged] = a1[exchanged], a0[exchanged]
        panel = replace(self.panel, sites=replace(sites, ids=ids, a0=a0, a1=a1))
        match = replace(self.match, is_swapped=self.match.is_swapped ^ is_exchanged)
        return replace(self, panel=_with_exchanged(panel, exchanged), match=match)

    def _warn_of_orientation(self, exchanged: NDArray[np.int64], unknown: NDArray[np.int64]) -> None:
        sites = self.panel.sites
        if exchanged.size and sites.has_reference:
            logger.warning(
                "warning: REF and ALT of %s stand the other way round in the model: %s; written as in the model, "
                "genotypes exchanged",
                *(counted(exchanged.size, "target site"), first_few(sites.ids[np.sort(exchanged)].tolist())),
            )
        elif exchanged.size:
            logger.info("target sites whose alleles were exchanged to the model's REF and ALT: %d", exchanged.size)
        if unknown.size and not sites.has_reference:
            logger.warning(
                "warning: the model's legends have no column swap, so they do not say which allele of a marker is REF; "
                "%s with the alleles the other way round: %s. They are written as in the target",
                *(counted(unknown.size, "marker"), first_few(sites.ids[np.sort(unknown)].tolist())),
            )

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


def _exchanged_id(name: str, position: int, a0: str, a1: str, known_a1: str) -> str:
    """Exchange the alleles of an id that ends in position and alleles. Any other id stays.

    >>> _exchanged_id("22:5:A:G", 5, "A", "G", "G"), _exchanged_id("rs7", 5, "A", "G", "G")
    ('22:5:G:A', 'rs7')
    """
    ending = f":{position}:{a0}:{a1}"
    return f"{name.removesuffix(ending)}:{position}:{known_a1}:{a0}" if name.endswith(ending) else name


def _with_exchanged(panel: Panel, rows: NDArray[np.int64]) -> Panel:
    """A panel with 0 and 1 exchanged at some sites, block by block."""
    if not rows.size:
        return panel
    is_exchanged = np.zeros((len(panel.sites), 1), dtype=np.bool_)
    is_exchanged[rows] = True

    def blocks() -> Iterator[Panel]:
        for start in range(0, len(panel.sites), _BLOCK_SITES):
            part = panel[start : start + _BLOCK_SITES]
            is_other = is_exchanged[start : start + _BLOCK_SITES] & (part.alleles != MISSING)
            yield replace(part, alleles=part.alleles ^ is_other.astype(np.int8))

    return PanelStream(panel.sample_names, blocks()).read()


def match_target(panel: Panel, model: JoinedModel) -> MatchedTarget:
    """Match a target to a model.

    Args:
        panel: Phased haplotypes in order of position.
        model: From `join_model`.
    """
    return MatchedTarget(panel, model, match_sites(panel.sites, model.sites))
