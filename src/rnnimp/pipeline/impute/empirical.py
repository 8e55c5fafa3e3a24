"""The empirical R2 of typed sites that the model imputes too, and a summary of all of them.

A network reads markers only, and imputes only sites that are no markers. So its imputation of a site never saw the
observed genotype, and hiding that first would change nothing. Markers have no empirical R2: no network imputes them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BIN_EDGES
from rnnimp.scoring.accuracy import minor_percent
from rnnimp.scoring.quality import dosage_frequency, empirical_r2, minimac_r2
from rnnimp.sites.panel import ImputedBlock
from rnnimp.wording import counted

_N_WORST = 20
_R2_EDGES = tuple(step / 10 for step in range(11))

logger = logging.getLogger(__name__)


@dataclass
class EmpiricalR2:
    """Gathers the empirical R2 of blocks on their way to the writer.

    Attributes:
        sites: Position, alleles and R2 of each typed site that has one.
        estimates: For each of them, the R2 that is estimated from what the model imputes there, and the minor allele
            frequency that was observed, in percent.
        n_without: Typed sites that are imputed too, but whose genotypes or dosages do not vary.
    """

    sites: list[tuple[int, str, str, float]] = field(default_factory=list)
    estimates: list[tuple[float, float]] = field(default_factory=list)
    n_without: int = 0

    def added(self, blocks: Iterator[ImputedBlock]) -> Iterator[ImputedBlock]:
        """The blocks with their empirical R2, without what it is computed of."""
        for block in blocks:
            assert block.own_probabilities is not None
            observed = _observed(block)
            r2 = empirical_r2(observed, block.own_probabilities)
            estimated = minimac_r2(np.where(np.isnan(observed), np.nan, block.own_probabilities))
            percent = minor_percent(dosage_frequency(observed))
            is_imputed = ~np.isnan(block.own_probabilities[:, :1]).all(axis=1)
            for row in np.flatnonzero(is_imputed).tolist():
                if np.isnan(r2[row]):
                    self.n_without += 1
                else:
                    self.sites.append((*block.sites[row : row + 1].keys()[0], float(r2[row])))
                    self.estimates.append((float(estimated[row]), float(percent[row])))
            yield replace(block, own_probabilities=None, empirical_r2=r2)

    def summary(self) -> dict[str, Any]:
        """For the report: how many, mean, median, the worst, and means by estimated R2 and by allele frequency."""
        values = np.array([site[-1] for site in self.sites])
        worst = sorted(self.sites, key=lambda site: site[-1])[:_N_WORST]
        names = ("position", "a0", "a1", "er2")
        estimated, percent = np.array(self.estimates).reshape(-1, 2).T
        pair = estimated, values
        return {
            "n_sites": len(values),
            "n_without_variation": self.n_without,
            "mean": round(float(values.mean()), 6) if values.size else None,
            "median": round(float(np.median(values)), 6) if values.size else None,
            "worst": [dict(zip(names, (*site[:-1], round(site[-1], 6)), strict=True)) for site in worst],
            "by_estimate": _means(*pair, np.searchsorted(_R2_EDGES, estimated, side="right") - 1, _R2_EDGES),
            "by_maf_percent": _means(*pair, np.searchsorted(BIN_EDGES, percent, side="left") - 1, BIN_EDGES),
        }

    def log(self) -> None:
        """Say the mean, or why there is none."""
        if not self.sites:
            logger.warning(
                "warning: no empirical R2: the target types no site that the model imputes and that varies; markers, "
                "which the model only reads, have none"
            )
            return
        mean = float(np.mean([site[-1] for site in self.sites]))
        n_sites = counted(len(self.sites), "typed site")
        logger.info("empirical R2: mean %.4f at %s that the model imputes", mean, n_sites)


def _means(
    estimated: NDArray[np.float64], empirical: NDArray[np.float64], bins: NDArray[np.int64], edges: tuple[float, ...]
) -> list[dict[str, Any]]:
    """Sites and mean of both R2 in each bin that has a site.

    Args:
        estimated: float64 (n_sites,).
        empirical: float64 (n_sites,).
        bins: Bin of each site, int64 (n_sites,).
        edges: Edges of the bins; the last bin contains what is beyond.
    """
    bins = np.clip(bins, 0, len(edges) - 2)
    rows = []
    for index in np.unique(bins).tolist():
        is_here = bins == index
        means = (round(float(values[is_here].mean()), 6) for values in (estimated, empirical))
        row = (f"{edges[index]:g}-{edges[index + 1]:g}", int(is_here.sum()), *means)
        rows.append(dict(zip(("bin", "n_sites", "mean_r2", "mean_er2"), row, strict=True)))
    return rows


def _observed(block: ImputedBlock) -> NDArray[np.float64]:
    """Observed alleles, NaN where they were missing and for second columns of haploid samples."""
    observed = block.known_probabilities()
    observed[~block.is_typed] = np.nan
    if block.is_filled is not None:
        observed[block.is_filled] = np.nan
    return observed
