"""Heterozygous genotypes without phase, counted instead of refused where phase does not matter."""

from __future__ import annotations


class Unphased:
    """Counts unphased heterozygous genotypes while a file is read.

    Attributes:
        n_genotypes: How many were seen.
        first: Place and sample of the first one, such as `22:100 in sample HG1`; empty if there is none.
    """

    def __init__(self) -> None:
        self.n_genotypes = 0
        self.first = ""

    def add(self, number: int, place: str, sample: str) -> None:
        """Count genotypes of one site.

        Args:
            number: How many samples are unphased there, at least one.
            place: The site, as `22:100`.
            sample: The first of these samples.
        """
        self.n_genotypes += number
        self.first = self.first or f"{place} in sample {sample}"
