"""The quality of a target by itself: call rates, Hardy-Weinberg proportions, samples that are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.pipeline.impute.target import Target
from rnnimp.sites.hardy_weinberg import GenotypeCounts, count_genotypes, hardy_weinberg_p
from rnnimp.sites.panel import Sites
from rnnimp.sites.same_samples import LEAST_SITES, SamePair, comparison_sites, same_samples
from rnnimp.sites.target_checks import called_shares, count_alleles
from rnnimp.wording import counted, first_few

LOW_CALL_RATE = 0.95
"""Of sites and samples; the same threshold as plink2's `--geno 0.05` and `--mind 0.05` in the documentation."""

HARDY_WEINBERG_P = 1e-10
"""Below this, a site is warned of: populations that are mixed make smaller differences at most sites."""

_THRESHOLDS = (1e-4, 1e-6, HARDY_WEINBERG_P)
_BLOCK_SITES = 256
_MOST_LISTED = 20


@dataclass(frozen=True, eq=False)
class TargetQuality:
    """Figures of the sites and samples of a target.

    Attributes:
        sites: The sites, n_sites of them.
        sample_names: Names of the samples, n_samples of them.
        site_call_rates: Share of alleles that are called, float64 (n_sites,).
        sample_call_rates: The same of samples, float64 (n_samples,).
        frequencies: Frequency of a1, float64 (n_sites,); NaN where nothing is called.
        genotypes: Genotypes of diploid samples.
        hardy_weinberg: Mid-p values, float64 (n_sites,); NaN where no diploid sample is called.
        n_compared: Sites at which samples were compared; 0 if there were too few.
        same: Pairs of samples with the same genotypes.
    """

    sites: Sites
    sample_names: Sequence[str]
    site_call_rates: NDArray[np.float64]
    sample_call_rates: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    genotypes: GenotypeCounts
    hardy_weinberg: NDArray[np.float64]
    n_compared: int
    same: list[SamePair]

    def sections(self) -> dict[str, dict[str, Any]]:
        """The figures as sections of the JSON file."""
        return {
            "call_rates": self._call_rates(),
            "hardy_weinberg": self._hardy_weinberg(),
            "same_samples": {"sites_compared": self.n_compared, "pairs": [self._pair(pair) for pair in self.same]},
        }

    def _call_rates(self) -> dict[str, Any]:
        both = (
            ("samples", "sample", self.sample_names, self.sample_call_rates),
            ("sites", "id", self.sites.ids, self.site_call_rates),
        )
        return {name: _call_rate_record(label, names, rates) for name, label, names, rates in both}

    def _hardy_weinberg(self) -> dict[str, Any]:
        p = self.hardy_weinberg
        order = np.argsort(p, kind="stable")[:_MOST_LISTED]  # NaN goes last
        return {
            "test": "exact, mid-p",
            "sites_tested": int(np.count_nonzero(~np.isnan(p))),
            "below": {f"{threshold:g}": int(np.count_nonzero(p < threshold)) for threshold in _THRESHOLDS},
            "worst": [self._site(row) for row in order.tolist() if p[row] < max(_THRESHOLDS)],
        }

    def _site(self, row: int) -> dict[str, Any]:
        sites, counts = self.sites, self.genotypes
        return {
            "id": sites.ids[row],
            "position": int(sites.positions[row]),
            "a0": sites.a0[row],
            "a1": sites.a1[row],
            "genotypes": [int(number[row]) for number in (counts.none, counts.one, counts.two)],
            "expected_heterozygotes": round(float(counts.expected_heterozygotes[row]), 2),
            "p": float(f"{self.hardy_weinberg[row]:.4g}"),
        }

    def _pair(self, pair: SamePair) -> dict[str, Any]:
        return {
            "samples": [self.sample_names[pair.first], self.sample_names[pair.second]],
            "sites": pair.n_sites,
            "agreement": round(pair.agreement, 4),
        }

    def warnings(self) -> list[str]:
        """What a user should look at before imputing, one line each."""
        lines = []
        low = np.flatnonzero(self.sample_call_rates < LOW_CALL_RATE)
        if low.size:
            low = low[np.argsort(self.sample_call_rates[low], kind="stable")]
            named = first_few(
                [f"{self.sample_names[i]} ({100 * self.sample_call_rates[i]:.1f}%)" for i in low.tolist()]
            )
            lines.append(f"call rate under {100 * LOW_CALL_RATE:.0f}% in {counted(low.size, 'sample')}: {named}")
        low = np.flatnonzero(self.site_call_rates < LOW_CALL_RATE)
        if low.size:
            named = first_few(self.sites.ids[low].tolist())
            lines.append(f"call rate under {100 * LOW_CALL_RATE:.0f}% at {counted(low.size, 'site')}: {named}")
        return [*lines, *self._hardy_weinberg_warnings(), *self._same_warnings()]

    def _hardy_weinberg_warnings(self) -> list[str]:
        far = np.flatnonzero(self.hardy_weinberg < HARDY_WEINBERG_P)
        if not far.size:
            return []
        n_more = int(np.count_nonzero(self.genotypes.one[far] > self.genotypes.expected_heterozygotes[far]))
        named = first_few(self.sites.ids[far].tolist())
        return [
            f"{counted(far.size, 'site')} far from Hardy-Weinberg proportions (exact test, p under "
            f"{HARDY_WEINBERG_P:g}), {n_more} with too many heterozygotes: {named}; wrong genotypes are the likely "
            "reason, or populations that are mixed"
        ]

    def _same_warnings(self) -> list[str]:
        if not self.same:
            return []
        named = first_few([f"{self.sample_names[pair.first]} = {self.sample_names[pair.second]}" for pair in self.same])
        return [
            f"the same genotypes in {counted(len(self.same), 'pair')} of samples: {named}; one person twice, identical "
            "twins, or on a short stretch siblings"
        ]


def _call_rate_record(label: str, names: Any, rates: NDArray[np.float64]) -> dict[str, Any]:
    low = np.flatnonzero(rates < LOW_CALL_RATE)
    lowest = low[np.argsort(rates[low], kind="stable")][:_MOST_LISTED]
    return {
        "mean": round(float(rates.mean()), 6) if rates.size else None,
        "least": round(float(rates.min()), 6) if rates.size else None,
        f"below_{LOW_CALL_RATE:g}": int(low.size),
        "lowest": [{label: str(names[row]), "call_rate": round(float(rates[row]), 4)} for row in lowest.tolist()],
    }


def target_quality(target: Target) -> TargetQuality:
    """Measure a target.

    Args:
        target: The target as it was read.
    """
    panel = target.panel
    counts = count_alleles(panel.alleles)
    n_alleles = max(1, panel.alleles.shape[1])
    genotypes = _genotypes(target)
    rates = counts.called / n_alleles
    rows = comparison_sites(counts.frequency, rates)
    is_comparable = len(rows) >= LEAST_SITES
    return TargetQuality(
        panel.sites,
        panel.sample_names,
        rates,
        called_shares(panel.alleles, np.arange(len(panel.sites))),
        counts.frequency,
        genotypes,
        hardy_weinberg_p(genotypes),
        len(rows) if is_comparable else 0,
        same_samples(panel.alleles[rows]) if is_comparable else [],
    )


def _genotypes(target: Target) -> GenotypeCounts:
    """Of the samples that are diploid, block by block, as those that are haploid take an array of their own."""
    panel, ploidy = target.panel, target.ploidy
    if ploidy is None:
        return count_genotypes(panel.alleles)
    parts = [
        count_genotypes(
            panel.alleles[start : start + _BLOCK_SITES], ploidy.at(panel.sites.positions[start : start + _BLOCK_SITES])
        )
        for start in range(0, len(panel.sites), _BLOCK_SITES)
    ]
    columns = ([getattr(part, name) for part in parts] for name in ("none", "one", "two", "missing"))
    return GenotypeCounts(*(np.concatenate(column) for column in columns))
