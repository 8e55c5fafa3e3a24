"""How much outsiders share with members: outsiders must not be members themselves, and should not be their relatives.

Haplotypes are compared region by region. In each, all haplotypes with the same alleles get the same label. So memory
grows with the number of people, and not with the number of pairs of outsiders and members.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.pipeline.audit.people import People
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)

CLOSE_SHARE = 0.9
"""Share of the audited rows, in whole regions, that an outsider's and a member's haplotype have in common if the two
people may be relatives."""

REGIONS_THAT_IDENTIFY = 3
"""From so many regions on, people who are equal in all of them are taken as the same person."""

SEVERAL, SEVERAL_SHARE, FAR_MORE = 3, 0.05, 10
"""In fewer regions, so many outsiders who are equal to a member are refused, or more than this share of them, if they
are more than so many times as frequent as equal people in the panel itself."""

_COLUMNS_AT_ONCE = 4096
_PAIRS_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class SameHaplotypes:
    """Which haplotypes of a region are the same.

    Attributes:
        n_rows: Rows that were compared.
        outsiders: Labels of the outsiders' haplotypes, int32 (n_haplotypes,); equal where all alleles are.
        training: Labels of those of all people whom the model was trained on, int32 (n_haplotypes,).
    """

    n_rows: int
    outsiders: NDArray[np.int32]
    training: NDArray[np.int32]


def same_haplotypes(outsiders: NDArray[np.int8], training: NDArray[np.int8]) -> SameHaplotypes:
    """Label the haplotypes of a region.

    Rows at which all outsiders are missing, such as those that their file lacks, say nothing and are left out.

    Args:
        outsiders: Alleles, int8 (n_rows, n_haplotypes); -1 for missing.
        training: The same of all people whom the model was trained on.
    """
    rows = np.flatnonzero((outsiders >= 0).any(axis=1))
    codes = np.concatenate([_codes(outsiders, rows), _codes(training, rows)])
    labels = np.unique(codes, return_inverse=True)[1].astype(np.int32)
    n_outsiders = outsiders.shape[1]
    return SameHaplotypes(len(rows), labels[:n_outsiders], labels[n_outsiders:])


def _codes(alleles: NDArray[np.int8], rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """A number for the alleles of each haplotype at some rows, int64 (n_haplotypes,)."""
    codes = np.empty(alleles.shape[1], np.int64)
    for start in range(0, len(codes), _COLUMNS_AT_ONCE):
        columns = np.ascontiguousarray(alleles[rows, start : start + _COLUMNS_AT_ONCE].T)
        codes[start : start + len(columns)] = [hash(column.tobytes()) for column in columns]
    return codes


class Closeness:
    """How much outsiders share with members, over the regions that were added.

    Args:
        people: Who is tested.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._regions: list[SameHaplotypes] = []
        self._in_all = SameHaplotypes(
            0, np.zeros(2 * people.n_outsiders, np.int32), np.zeros(2 * len(people.training), np.int32)
        )

    def add(self, region: SameHaplotypes) -> None:
        """Add a region."""
        self._regions.append(region)
        self._in_all = _in_both(self._in_all, region)

    def most_shared(self) -> NDArray[np.int64]:
        """Rows of whole regions that each outsider's haplotype shares with a training haplotype at most, int64."""
        most = np.zeros(2 * self._people.n_outsiders, np.int64)
        n_training = 2 * len(self._people.training)
        n_at_once = max(1, _PAIRS_AT_ONCE // len(most))
        for start in range(0, n_training, n_at_once):
            shared = np.zeros((len(most), min(n_at_once, n_training - start)), np.int32)
            for region in self._regions:
                part = region.training[start : start + n_at_once]
                shared += region.n_rows * (region.outsiders[:, None] == part)
            most = np.maximum(most, shared.max(axis=1))
        return most

    def longest(self) -> float:
        """The largest share of the rows that an outsider's and a member's haplotype have in common."""
        return float(self.most_shared().max() / self._in_all.n_rows)

    def n_close(self) -> int:
        """Outsiders who share at least `CLOSE_SHARE` with a member."""
        by_haplotype = self.most_shared() >= CLOSE_SHARE * self._in_all.n_rows
        return int(by_haplotype.reshape(-1, 2).any(axis=1).sum())

    def refuse_same(self, names: Sequence[str]) -> None:
        """Refuse outsiders who are members. Call it after each region.

        From `REGIONS_THAT_IDENTIFY` regions on, one such outsider is refused. In fewer regions, unrelated people may be
        equal. So they must be several, and far more than people of the panel are equal to each other.

        Args:
            names: Names of the outsiders.

        Raises:
            DataError: for outsiders both of whose haplotypes are those of one member in all regions so far.
        """
        equal, n_outsiders = self._equal(), self._people.n_outsiders
        if len(self._regions) < REGIONS_THAT_IDENTIFY:
            are_several = len(equal) >= SEVERAL or len(equal) > SEVERAL_SHARE * n_outsiders
            if not are_several or len(equal) <= FAR_MORE * self._equal_in_panel() * n_outsiders:
                return
        if equal.size:
            raise DataError(
                f"expected outsiders who are not in the panel, found {counted(len(equal), 'outsider')} with both "
                f"haplotypes of a member in {counted(len(self._regions), 'region')}: {_named(equal, names)}; remove "
                "them"
            )

    def _equal(self) -> NDArray[np.intp]:
        """Outsiders with both haplotypes of one member in all regions so far, in either order."""
        return np.flatnonzero(np.isin(_pairs(self._in_all.outsiders), _pairs(self._in_all.training)))

    def _equal_in_panel(self) -> float:
        """The share of the training samples with both haplotypes of another one in all regions so far."""
        numbers = np.unique(_pairs(self._in_all.training), return_counts=True)[1]
        return float(numbers[numbers > 1].sum() / numbers.sum())

    def warn_of_relatives(self, names: Sequence[str]) -> None:
        """Warn of outsiders who share so much with a member that they may be relatives, or the member.

        Args:
            names: Names of the outsiders.
        """
        equal, n_close, n_regions = self._equal(), self.n_close(), len(self._regions)
        if equal.size:
            logger.warning(
                "warning: %s both haplotypes of a member in %s, and may be members: %s; audit %d regions or more to be "
                "sure",
                f"{counted(len(equal), 'outsider')} {'has' if len(equal) == 1 else 'have'}",
                counted(n_regions, "audited region"),
                *(_named(equal, names), REGIONS_THAT_IDENTIFY),
            )
        if n_close:
            logger.warning(
                "warning: %s may be relatives of members: they share %g%% of the audited rows or more with one; "
                "relatives make a model look safer than it is%s",
                *(counted(n_close, "outsider"), 100 * CLOSE_SHARE),
                "" if n_regions >= REGIONS_THAT_IDENTIFY else "; in so few regions, unrelated people may too",
            )


def _in_both(first: SameHaplotypes, second: SameHaplotypes) -> SameHaplotypes:
    """Labels that are equal where those of both are."""
    labels = [np.concatenate([part.outsiders, part.training]).astype(np.int64) for part in (first, second)]
    joined = labels[0] * (labels[1].max() + 1) + labels[1]
    both = np.unique(joined, return_inverse=True)[1].astype(np.int32)
    n_outsiders = len(first.outsiders)
    return SameHaplotypes(first.n_rows + second.n_rows, both[:n_outsiders], both[n_outsiders:])


def _pairs(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """A number for both haplotypes of each person, whatever their order, int64 (n_people,)."""
    both = np.sort(labels.reshape(-1, 2), axis=1).astype(np.int64)
    result: NDArray[np.int64] = (both[:, 0] << 32) + both[:, 1]
    return result


def _named(places: NDArray[np.intp], names: Sequence[str]) -> str:
    return first_few([names[place] for place in places.tolist()])
