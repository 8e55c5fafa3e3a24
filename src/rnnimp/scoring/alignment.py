"""Which site and sample of an imputation is which of the truth: by position and alleles, and by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.scoring.measures import ratio
from rnnimp.sites.interval import require_one_chromosome
from rnnimp.sites.matching import match_sites
from rnnimp.sites.panel import GenotypeTable, Sites, chromosome_in_ids, default_sample_names


@dataclass(frozen=True, eq=False)
class Truth:
    """Known genotypes.

    Attributes:
        sites: n_sites of them.
        genotypes: Copies of a1, int8 (n_sites, n_samples): 0, 1 or 2, and -1 for missing. Haploid samples stand as if
            homozygous.
        sample_names: n_samples names; None where the source holds none.
    """

    sites: Sites
    genotypes: NDArray[np.int8]
    sample_names: tuple[str, ...] | None = None

    def frequencies(self) -> NDArray[np.float64]:
        """Frequency of a1 at each site, float64 (n_sites,); NaN where every genotype is missing."""
        known = self.genotypes >= 0
        carried = np.where(known, self.genotypes, 0).sum(axis=1)
        return ratio(carried, 2 * np.count_nonzero(known, axis=1))

    def __getitem__(self, selection: slice | NDArray[Any]) -> Truth:
        """The same samples at the selected sites."""
        return Truth(self.sites[selection], self.genotypes[selection], self.sample_names)

    @classmethod
    def concatenate(cls, parts: Sequence[Truth]) -> Truth:
        """Join consecutive stretches of sites of one source."""
        sites = Sites.concatenate([part.sites for part in parts])
        return cls(sites, np.concatenate([part.genotypes for part in parts]), parts[0].sample_names)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which site and sample of an imputation is which of the truth.

    Attributes:
        imputed_rows: Indices of sites, int64 (n_shared_sites,).
        truth_rows: Indices of the same sites, int64 (n_shared_sites,); rising.
        is_swapped: True where the imputation's a0 is the truth's a1, bool (n_shared_sites,).
        imputed_samples: Indices of samples, int64 (n_shared_samples,).
        truth_samples: Indices of the same samples, int64 (n_shared_samples,).
    """

    imputed_rows: NDArray[np.int64]
    truth_rows: NDArray[np.int64]
    is_swapped: NDArray[np.bool_]
    imputed_samples: NDArray[np.int64]
    truth_samples: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth_rows)

    def __getitem__(self, selection: slice | NDArray[np.bool_]) -> Alignment:
        """The same samples at the selected shared sites."""
        return replace(
            self,
            imputed_rows=self.imputed_rows[selection],
            truth_rows=self.truth_rows[selection],
            is_swapped=self.is_swapped[selection],
        )


def align(imputed: GenotypeTable, truth: Truth) -> Alignment:
    """Find the sites, by position and alleles, and the samples that an imputation and the truth share.

    Samples are matched by name where both have names of their own; those in only one of the two are left out.
    Otherwise they are matched by order, which needs equal numbers.

    Raises:
        DataError: if there is no site or no sample in common, or the chromosomes differ.
    """
    require_one_chromosome(
        [
            ("imputed", imputed.sites.chromosome),
            ("in the imputed ids", chromosome_in_ids(imputed.sites)),
            ("in the truth", truth.sites.chromosome),
            ("in the truth's ids", chromosome_in_ids(truth.sites)),
        ]
    )
    named = Samples(imputed.sample_names, imputed.dosages.shape[1])
    (imputed_samples,), truth_samples = match_samples([named], Samples(truth.sample_names, truth.genotypes.shape[1]))
    match = match_sites(imputed.sites, truth.sites)
    truth_rows = np.flatnonzero(match.target_index >= 0)
    if not truth_rows.size:
        raise nothing_in_common(len(imputed.sites), len(truth.sites))
    rows = match.target_index[truth_rows], truth_rows, match.is_swapped[truth_rows]
    return Alignment(*rows, imputed_samples, truth_samples)


def nothing_in_common(n_imputed: int, n_true: int) -> DataError:
    """The error for files without a site in common."""
    return DataError(
        f"expected sites in common, found none among {n_imputed} imputed and {n_true} true ones; check that both are "
        "of one chromosome and genome build"
    )


@dataclass(frozen=True)
class Samples:
    """The samples of a source.

    Attributes:
        names: Their names; None where the source holds none.
        number: How many there are.
    """

    names: tuple[str, ...] | None
    number: int


def match_samples(imputed: Sequence[Samples], truth: Samples) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Find the samples that all imputations and the truth share; see `align`.

    Returns:
        Indices of the shared samples in each imputation and in the truth, int64 (n_shared_samples,) each, in the order
        of the first imputation.

    Raises:
        DataError: if there is none, or numbers differ where names are not known.
    """
    pairs = [_pairs(samples, truth) for samples in imputed]
    columns = [dict(zip(true.tolist(), own.tolist(), strict=True)) for own, true in pairs]
    shared = [true for true in pairs[0][1].tolist() if all(true in known for known in columns)]
    if not shared:
        raise DataError("expected samples that all imputed files have, found none; check their samples' names")
    return [np.array([known[true] for true in shared], np.int64) for known in columns], np.array(shared, np.int64)


def _pairs(imputed: Samples, truth: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    names, true_names = own_names(imputed.names), own_names(truth.names)
    if names is None or true_names is None:
        if imputed.number != truth.number:
            raise DataError(
                f"expected the same samples, found {imputed.number} imputed and {truth.number} true ones, not all with "
                "names by which they could be matched; give the .sample file"
            )
        return np.arange(imputed.number), np.arange(imputed.number)
    columns = {name: index for index, name in enumerate(true_names)}
    shared = [(index, columns[name]) for index, name in enumerate(names) if name in columns]
    if not shared:
        raise DataError(
            f"expected the same samples, found none in common: {names[0]}... imputed, {true_names[0]}... in the truth"
        )
    own, true = np.array(shared, dtype=np.int64).T
    return own, true


def own_names(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The names, unless they are the ones we give where there are none."""
    return None if not names or names == default_sample_names(len(names)) else names
