"""One region of a model with the people whom the attacks are tried on, and what the model says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

UNKNOWN = 0.5
"""The value of a frequency that is not known."""


@dataclass(frozen=True, eq=False)
class AuditedRegion:
    """Everything that an attack may use in one region. Nothing here says who is a member.

    Haplotypes 2i and 2i + 1 are those of person i.

    Attributes:
        alleles: Alleles of the people who are tested, int8 (n_rows, n_haplotypes); 0, 1, or -1 for missing.
        is_marker: True for markers, False for imputed sites, bool (n_rows,).
        map_cm: Genetic positions in centimorgans, float64 (n_rows,); not falling.
        expected: P(a1) that the model gives at the imputed sites for these people's own markers, float32
            (n_sites, n_haplotypes).
        reference: The same from people of the same populations without the person, by the Li & Stephens model.
        reference_likelihood: Log likelihood of all rows of each haplotype under that model, float64 (n_haplotypes,).
        frequencies: Frequency of a1 that the model's legend gives, float64 (n_rows,); None if it gives none.
        other_frequencies: Frequency of a1 among people who are no members and of whom the person is none, float32
            (n_rows, n_haplotypes); the same choices of people for members and outsiders.
        states: Log odds of a1 that each state of the model's haplotype HMM emits, float32 (n_rows, n_states); None for
            a model without HMM.
    """

    alleles: NDArray[np.int8]
    is_marker: NDArray[np.bool_]
    map_cm: NDArray[np.float64]
    expected: Floats
    reference: Floats
    reference_likelihood: NDArray[np.float64]
    frequencies: NDArray[np.float64] | None
    other_frequencies: Floats
    states: Floats | None

    def __post_init__(self) -> None:
        n_rows, n_haplotypes = self.alleles.shape
        n_sites = int(np.count_nonzero(~self.is_marker))
        shapes = {
            "is_marker": (n_rows,),
            "map_cm": (n_rows,),
            "expected": (n_sites, n_haplotypes),
            "reference": (n_sites, n_haplotypes),
            "reference_likelihood": (n_haplotypes,),
            "frequencies": (n_rows,),
            "other_frequencies": (n_rows, n_haplotypes),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, the alleles ask for {shape}")
        if self.states is not None and len(self.states) != n_rows:
            raise ValueError(f"states have {len(self.states)} rows, the alleles {n_rows}")

    @cached_property
    def site_alleles(self) -> NDArray[np.int8]:
        """Alleles at the imputed sites, int8 (n_sites, n_haplotypes)."""
        return self.alleles[~self.is_marker]


def log_likelihood(alleles: NDArray[np.int8], alt: NDArray[np.floating], least: float) -> NDArray[np.float64]:
    """Log likelihood of haplotypes whose alleles are independent of each other.

    Args:
        alleles: int8 (n_rows, n_haplotypes); a missing allele, -1, counts nothing.
        alt: P(a1), of the same shape, or (n_rows, 1).
        least: Least probability of an allele, so that one surprise does not outweigh everything.

    Returns:
        float64 (n_haplotypes,).
    """
    of_allele = np.where(alleles == 1, alt, 1 - alt)
    logs = np.log(np.maximum(of_allele, least))
    result: NDArray[np.float64] = np.sum(logs, axis=0, where=alleles >= 0, dtype=np.float64)
    return result
