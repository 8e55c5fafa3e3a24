"""States of a haplotype HMM that are whole haplotypes of people: whoever has the model's files can copy them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MANY = 0.1
"""Share of the states above which a model mainly consists of whole haplotypes."""

_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Carriers:
    """The people of a group who carry states of a region as whole haplotypes.

    Attributes:
        n_carried: States that at least one person carries.
        fewest: Fewest people who carry one of these states; 0 if nobody carries any.
        people: Numbers of the people who carry one, int64, in order.
    """

    n_carried: int
    fewest: int
    people: NDArray[np.intp]


@dataclass(frozen=True)
class WholeStates:
    """How many states of the HMM are a whole haplotype of a person, in one region or over all audited ones.

    Attributes:
        region: Number of the region; None for all audited regions together.
        n_states: States.
        of_members: States that equal a haplotype of someone whom the model was trained on, at all rows of the region.
        members: People whom these states concern. All who were trained on are looked at, tested or not.
        fewest_members: Fewest people who carry one of these states; 0 if there are none.
        of_outsiders: States that equal a haplotype of an outsider who was tested.
        outsiders: Outsiders whom these states concern.
    """

    region: int | None
    n_states: int
    of_members: int
    members: int
    fewest_members: int
    of_outsiders: int
    outsiders: int

    @property
    def are_many(self) -> bool:
        """Whether more than a tenth of the states are whole haplotypes of members."""
        return self.of_members > MANY * self.n_states


def carriers(states: NDArray[np.int8], alleles: NDArray[np.int8]) -> Carriers:
    """Who carries states as whole haplotypes.

    Args:
        states: Alleles of the states, int8 (n_rows, n_states); 0 or 1.
        alleles: Haplotypes 2i and 2i + 1 of person i, int8 (n_rows, n_haplotypes); a haplotype with a missing allele,
            -1, equals no state.
    """
    codes = [code.tobytes() for code in np.packbits(states == 1, axis=0).T]
    people: dict[bytes, set[int]] = {code: set() for code in codes}
    for start in range(0, alleles.shape[1], _AT_ONCE):
        block = alleles[:, start : start + _AT_ONCE]
        packed = np.packbits(block == 1, axis=0).T
        for place in np.flatnonzero((block >= 0).all(axis=0)).tolist():
            found = people.get(packed[place].tobytes())
            if found is not None:
                found.add((start + place) // 2)
    numbers = [len(people[code]) for code in codes if people[code]]
    concerned = sorted(set().union(*people.values()))
    return Carriers(len(numbers), min(numbers, default=0), np.array(concerned, dtype=np.intp))


def whole_states(region: int | None, n_states: int, members: Carriers, outsiders: Carriers) -> WholeStates:
    """Summarise a region, or all together.

    Args:
        region: Number of the region; None for all together.
        n_states: States.
        members: Who carries them of all people whom the model was trained on.
        outsiders: The same of the outsiders.
    """
    of_members, of_outsiders = (members.n_carried, len(members.people)), (outsiders.n_carried, len(outsiders.people))
    return WholeStates(region, n_states, *of_members, members.fewest, *of_outsiders)


def added_up(parts: Sequence[Carriers]) -> Carriers:
    """The same group in several regions: states are added up, and each person counts once.

    Args:
        parts: Who carries states in each region, at least one.
    """
    return Carriers(
        sum(part.n_carried for part in parts),
        min((part.fewest for part in parts if part.n_carried), default=0),
        np.unique(np.concatenate([part.people for part in parts])),
    )
