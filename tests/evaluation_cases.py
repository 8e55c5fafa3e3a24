"""True and imputed genotypes for tests of accuracy, and its scores written out for plain lists as their papers do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcf_files import write_vcf


@dataclass(frozen=True)
class Site:
    """A site with the true copies of ALT and the imputed probabilities of each sample; None for missing."""

    position: int
    ref: str
    alt: str
    truth: list[int | None]
    imputed: list[list[tuple[float, float, float] | None]]  # by imputation

    def dosage(self, number: int, sample: int) -> float | None:
        """The dosage that an imputation gives a sample."""
        given = self.imputed[number][sample]
        return None if given is None else given[1] + 2 * given[2]


def random_sites(rng: np.random.Generator, n_sites: int, n_samples: int, n_imputed: int = 2) -> list[Site]:
    """Sites, some of them at one position, with two-decimal probabilities that lean to the truth."""
    positions = np.sort(rng.integers(1000, 1000 + 3 * n_sites, n_sites))
    alleles = [("A", "G"), ("A", "AT"), ("AC", "GT"), ("C", "T")]
    sites: list[Site] = []
    for place, position in enumerate(positions.tolist()):
        ref, alt = alleles[place % len(alleles)]
        if any((site.position, site.ref, site.alt) == (position, ref, alt) for site in sites):
            continue
        frequency = rng.beta(0.5, 0.8)
        truth: list[int | None] = [
            None if rng.random() < 0.05 else int(copies) for copies in rng.binomial(2, frequency, n_samples)
        ]
        imputed = [[_probabilities(rng, copies) for copies in truth] for _ in range(n_imputed)]
        sites.append(Site(position, ref, alt, truth, imputed))
    return sites


def _probabilities(rng: np.random.Generator, copies: int | None) -> tuple[float, float, float] | None:
    if rng.random() < 0.05:
        return None
    weights = rng.dirichlet([0.4, 0.4, 0.4]) + (0 if copies is None else 1.5 * np.eye(3)[copies])
    one, two = (round(float(weight), 2) for weight in weights[1:] / weights.sum())
    return round(1 - one - two, 2), one, two


def write_truth(path: Path, sites: Sequence[Site], names: Sequence[str]) -> Path:
    """The truth as an unphased VCF."""
    calls = {None: "./.", 0: "0/0", 1: "0/1", 2: "1/1"}
    records = [
        f"22 {site.position} . {site.ref} {site.alt} . GT {' '.join(calls[copies] for copies in site.truth)}"
        for site in sites
    ]
    return write_vcf(path, records, " ".join(names))


def write_imputed(path: Path, sites: Sequence[Site], number: int, names: Sequence[str]) -> Path:
    """An imputation as a VCF with the field GP."""
    records = [
        f"22 {site.position} . {site.ref} {site.alt} . GP "
        + " ".join(
            "." if given is None else ",".join(f"{value:.2f}" for value in given) for given in site.imputed[number]
        )
        for site in sites
    ]
    return write_vcf(path, records, " ".join(names))


def pairs_of(site: Site, number: int, samples: Sequence[int]) -> list[tuple[int, float, int]]:
    """True copies, dosage and most likely copies of the samples where truth and all imputations are known."""
    found = []
    for sample in samples:
        copies = site.truth[sample]
        if copies is None or any(given[sample] is None for given in site.imputed):
            continue
        given = site.imputed[number][sample]
        assert given is not None
        found.append((copies, given[1] + 2 * given[2], given.index(max(given))))
    return found


def squared_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Pearson's, squared; NaN if the first does not vary, 0 if the second alone does not."""
    if len({x for x, _ in pairs}) < 2:
        return math.nan
    if len({y for _, y in pairs}) < 2:
        return 0.0
    return float(np.corrcoef(np.array(pairs).T)[0, 1] ** 2)


def site_r2(site: Site, number: int, samples: Sequence[int]) -> float:
    """The dosage r2 of a site."""
    return squared_correlation([(copies, dosage) for copies, dosage, _ in pairs_of(site, number, samples)])


def frequency(site: Site) -> float:
    """Of ALT in the truth."""
    known = [copies for copies in site.truth if copies is not None]
    return sum(known) / (2 * len(known)) if known else math.nan


def agg_r_square(sites: Sequence[Site], number: int, samples: Sequence[int], frequencies: Sequence[float]) -> float:
    """Aggregated r2 as Minimac's aggRSquare defines it: over all genotypes of all sites of a bin.

    Copies are divided by the ploidy. Where the frequency of ALT is above one half, both sides are turned.
    """
    n = sum_x = sum_y = sum_xx = sum_yy = sum_xy = 0.0
    for site, alt_frequency in zip(sites, frequencies, strict=True):
        for copies, dosage, _ in pairs_of(site, number, samples):
            x, y = copies / 2, dosage / 2
            if alt_frequency > 0.5:
                x, y = 1 - x, 1 - y
            n, sum_x, sum_y = n + 1, sum_x + x, sum_y + y
            sum_xx, sum_yy, sum_xy = sum_xx + x * x, sum_yy + y * y, sum_xy + x * y
    if not n:
        return math.nan
    x_variance, y_variance = sum_xx / n - (sum_x / n) ** 2, sum_yy / n - (sum_y / n) ** 2
    covariance = sum_xy / n - sum_x / n * (sum_y / n)
    return covariance**2 / (x_variance * y_variance) if x_variance > 1e-12 and y_variance > 1e-12 else math.nan
