"""Part of `evaluate`: what an evaluation gives, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnimp.pipeline.evaluate.calibration import Calibration
from rnnimp.scoring.accuracy import SiteStatistics
from rnnimp.scoring.bins import BinScores
from rnnimp.scoring.bootstrap import Interval
from rnnimp.sites.panel import Sites

FORMAT, FORMAT_VERSION = "rnnimp-evaluation", 1
"""Of `PREFIX.evaluation.json`."""

MEASURES = ("mean_r2", "aggregate_r2", "concordance", "discordance")
"""The scores that have intervals."""


@dataclass(frozen=True)
class GroupScores:
    """The scores of a group of sites, or of samples.

    Attributes:
        imputed: Name of the imputation.
        by: What divides the sites: `all`, `type` of variant, or `region`; `samples` for groups of samples.
        group: Name of the group.
        maf_percent: Bin of minor allele frequency in percent, like `0.5-1`; `all` for all frequencies.
        n_samples: Samples in both files, of the group.
        scores: The scores.
        intervals: 95% intervals of `MEASURES` by name, from a bootstrap over samples; empty without one.
    """

    imputed: str
    by: str
    group: str
    maf_percent: str
    n_samples: int
    scores: BinScores
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class Difference:
    """The score of an imputation less that of the first one.

    Attributes:
        imputed: Name of the imputation.
        reference: Name of the first one.
        by: See `GroupScores`, as for the next two.
        group: Name of the group.
        maf_percent: Bin of minor allele frequency.
        measure: One of `MEASURES`.
        value: The difference.
        interval: Its 95% interval, from a bootstrap over samples with the same draws for both.
    """

    imputed: str
    reference: str
    by: str
    group: str
    maf_percent: str
    measure: str
    value: float
    interval: Interval


@dataclass(frozen=True, eq=False)
class SampleScores:
    """The scores of each sample over all sites that are scored.

    Attributes:
        names: n_samples names.
        groups: Group of each sample; empty for none. None without groups.
        n_pairs: Genotypes compared, int64 (n_samples,).
        r2: Squared correlation of dosages and true copies of a1 over sites, float64 (n_samples,).
        concordance: Share of right most likely genotypes, float64 (n_samples,).
        discordance: Non-reference discordance, float64 (n_samples,).
    """

    names: tuple[str, ...]
    groups: tuple[str, ...] | None
    n_pairs: NDArray[np.int64]
    r2: NDArray[np.float64]
    concordance: NDArray[np.float64]
    discordance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scored sites of a comparison.

    Attributes:
        sites: The n_sites sites, with the truth's alleles. Their `a1_freq` decides the bin. No site if the sites were
            not kept, which is so for the next three too.
        statistics: Sums of these sites, from which scores follow.
        is_typed: True where the array typed the site, bool (n_sites,).
        is_swapped: True where the imputed file has the alleles the other way round, bool (n_sites,).
        bins: The scores of each bin, and at last of all sites.
        calibration: The imputation's own estimates against the truth; None if not asked for.
        groups: The scores of all groups of sites and samples, with intervals if there was a bootstrap.
        samples: The scores of each sample.
    """

    sites: Sites
    statistics: SiteStatistics
    is_typed: NDArray[np.bool_]
    is_swapped: NDArray[np.bool_]
    bins: tuple[BinScores, ...]
    calibration: Calibration | None
    groups: tuple[GroupScores, ...]
    samples: SampleScores


@dataclass(frozen=True)
class SourceCounts:
    """How the sites of an imputation compare with those of the truth.

    Attributes:
        n_sites: Sites of the imputation.
        n_in_truth: Those that the truth has too.
        n_swapped: Those of them with the alleles the other way round.
        n_samples: Samples of the imputation.
    """

    n_sites: int
    n_in_truth: int
    n_swapped: int
    n_samples: int


@dataclass(frozen=True)
class Counts:
    """How many sites and samples were compared.

    Attributes:
        imputed: Those of each imputation by name.
        n_true_sites: Sites of the truth.
        n_true_samples: Samples of the truth.
        n_shared: Sites that the truth and all imputations have.
        n_typed: Those of them that the array typed.
        n_scored: Those of them that are scored.
        n_without_frequency: Scored sites without a frequency.
        n_samples: Samples that the truth and all imputations have.
        n_units: Units of the bootstrap: samples, or groups of them; 0 without a bootstrap.
    """

    imputed: Mapping[str, SourceCounts]
    n_true_sites: int
    n_true_samples: int
    n_shared: int
    n_typed: int
    n_scored: int
    n_without_frequency: int
    n_samples: int
    n_units: int


@dataclass(frozen=True, eq=False)
class Results:
    """What an evaluation gives.

    Attributes:
        evaluations: For each imputation by name, its scores.
        differences: Differences to the first imputation; empty without another one, or without a bootstrap.
        counts: How many sites and samples were compared.
        chromosome: Name of the chromosome; None if no file says it.
    """

    evaluations: Mapping[str, Evaluation]
    differences: tuple[Difference, ...]
    counts: Counts
    chromosome: str | None = field(default=None)

    def groups(self) -> Iterator[GroupScores]:
        """The scores of all groups of all imputations."""
        for evaluation in self.evaluations.values():
            yield from evaluation.groups
