"""The interface of a membership attack."""

from __future__ import annotations

from typing import Protocol

from rnnimp.privacy.figures import Scores
from rnnimp.privacy.region import AuditedRegion


class Attack(Protocol):
    """Scores people by how much they look like members of the panel.

    Scores of one person's haplotypes and of different regions are added up. So a score should be a log likelihood, a
    log likelihood ratio, a length, or another number whose sum makes sense.
    """

    @property
    def name(self) -> str:
        """Name in options and files: lower case, with underscores."""

    @property
    def title(self) -> str:
        """What the attack does, in a few words."""

    @property
    def explanation(self) -> str:
        """What the attack does, in one or two sentences for readers who are no specialists."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Attributes of `AuditedRegion` that may be None, and without which the attack is left out."""

    def scores(self, region: AuditedRegion, threads: int = 1) -> Scores:
        """Score each haplotype; greater for whoever looks more like a member.

        Args:
            region: One region.
            threads: Threads that the attack may use.

        Returns:
            float64 (n_haplotypes,).
        """
