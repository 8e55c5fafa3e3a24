"""The settings of an audit, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnimp.choices import AUDIT_SEED, AUDITED_MEMBERS, RARE_MAF
from rnnimp.errors import SettingsError

MOST_MEMBERS = 4096


@dataclass(frozen=True)
class AuditSettings:
    """What to audit, and how; the options of `rnnimp audit`.

    Attributes:
        members: Members to test at most, drawn at random.
        regions: Numbers of the regions to audit; None for all.
        attacks: Names of the attacks; None for all.
        rare_maf: Largest minor allele frequency of a rare allele.
        allow_few_outsiders: Whether fewer than 100 outsiders are enough.
        threads: Threads to run on.
        seed: Seed of all random numbers.
    """

    members: int = AUDITED_MEMBERS
    regions: tuple[int, ...] | None = None
    attacks: tuple[str, ...] | None = None
    rare_maf: float = RARE_MAF
    allow_few_outsiders: bool = False
    threads: int = 1
    seed: int = AUDIT_SEED

    def __post_init__(self) -> None:
        if not 2 <= self.members <= MOST_MEMBERS:
            raise SettingsError(f"--members must be from 2 to {MOST_MEMBERS}, found {self.members}")
        if not 0 < self.rare_maf <= 0.5:
            raise SettingsError(f"--rare-maf must be above 0 and at most 0.5, found {self.rare_maf:g}")
        if self.threads < 1:
            raise SettingsError(f"--threads must be 1 or more, found {self.threads}")
        if self.seed < 0:
            raise SettingsError(f"--seed must be 0 or more, found {self.seed}")

    def as_dict(self) -> dict[str, Any]:
        """What decides the results, as JSON can hold it."""
        return {"members": self.members, "rare_maf": self.rare_maf, "seed": self.seed}
