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

from rnnimp.scoring.quality import empirical_r2
from rnnimp.sites.panel import ImputedBlock
from rnnimp.wording import counted

_N_WORST = 20

logger = logging.getLogger(__name__)


@dataclass
class EmpiricalR2:
    """Gathers the empirical R2 of blocks on their way to the writer.

    Attributes:
        sites: Position, alleles and R2 of each typed site that has one.
        n_without: Typed sites that are imputed too, but whose genotypes or dosages do not vary.
    """

    sites: list[tuple[int, str, str, float]] = field(default_factory=list)
    n_without: int = 0

    def added(self, blocks: Iterator[ImputedBlock]) -> Iterator[ImputedBlock]:
        """The blocks with their empirical R2, without what it is computed of."""
        for block in blocks:
            assert block.own_probabilities is not None
            r2 = empirical_r2(_observed(block), block.own_probabilities)
            is_imputed = ~np.isnan(block.own_probabilities[:, :1]).all(axis=1)
            for row in np.flatnonzero(is_imputed).tolist():
                if np.isnan(r2[row]):
                    self.n_without += 1
                else:
                    self.sites.append((*block.sites[row : row + 1].keys()[0], float(r2[row])))
            yield replace(block, own_probabilities=None, empirical_r2=r2)

    def summary(self) -> dict[str, Any]:
        """For the report: how many, mean, median, and the worst."""
        values = np.array([site[-1] for site in self.sites])
        worst = sorted(self.sites, key=lambda site: site[-1])[:_N_WORST]
        names = ("position", "a0", "a1", "er2")
        return {
            "n_sites": len(values),
            "n_without_variation": self.n_without,
            "mean": round(float(values.mean()), 6) if values.size else None,
            "median": round(float(np.median(values)), 6) if values.size else None,
            "worst": [dict(zip(names, (*site[:-1], round(site[-1], 6)), strict=True)) for site in worst],
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


def _observed(block: ImputedBlock) -> NDArray[np.float64]:
    """Observed alleles, NaN where they were missing and for second columns of haploid samples."""
    observed = block.known_probabilities()
    observed[~block.is_typed] = np.nan
    if block.is_filled is not None:
        observed[block.is_filled] = np.nan
    return observed
