"""How well a model infers the rare alleles that a member carries, compared with those of outsiders."""

from __future__ import annotations

from dataclasses import dataclass

from rnnimp.privacy.figures import Estimate

MOST_MAF = 0.01
"""Alleles that are rarer in the panel are rare, unless the user says otherwise."""


@dataclass(frozen=True)
class RareAlleles:
    """What a model infers of rare alleles from people's markers.

    Attributes:
        subject: `model`, `floor` or `ceiling`.
        most_maf: Largest minor allele frequency of a rare allele.
        n_sites: Imputed sites with a rare allele.
        n_carried_members: Rare alleles that the members carry.
        n_carried_outsiders: Rare alleles that the outsiders carry.
        members: Mean probability that the model gives to a rare allele that a member carries.
        outsiders: The same of outsiders.
        difference: `members` less `outsiders`.
        precision_members: Share of the rare alleles inferred for members (probability over one half) that they carry.
        precision_outsiders: The same of outsiders.
        recall_members: Share of the members' rare alleles that are inferred.
        recall_outsiders: The same of outsiders.
    """

    subject: str
    most_maf: float
    n_sites: int
    n_carried_members: int
    n_carried_outsiders: int
    members: Estimate
    outsiders: Estimate
    difference: Estimate
    precision_members: float | None
    precision_outsiders: float | None
    recall_members: float | None
    recall_outsiders: float | None
