"""The people of an audit: members of the panel, and outsiders who are not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import LEAST_OUTSIDERS
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import Bundle
from rnnimp.training.data import held_out_samples
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)

HELD_OUT = "held out for validation"
CLOSE_SHARE = 0.9
"""Share of the audited rows, in whole regions, that an outsider's and a member's haplotype have in common if the two
people may be relatives."""

REGIONS_THAT_IDENTIFY = 3
"""From so many regions on, people who are equal in all of them are taken as the same person."""

SEVERAL, SEVERAL_SHARE, FAR_MORE = 3, 0.05, 10
"""In fewer regions, so many outsiders who are equal to a member are refused, or more than this share of them, if they
are more than so many times as frequent as equal people in the panel itself."""


@dataclass(frozen=True, eq=False)
class People:
    """Who is tested.

    Attributes:
        n_samples: People of the training files.
        training: Those whom the model was trained on, int64, indices of samples.
        members: Those of them who are tested, int64, in order.
        held_out: The outsiders among the people of the training files, int64; empty if they come from another file.
        n_outsiders: All outsiders who are tested.
        source: Source of the outsiders.
    """

    n_samples: int
    training: NDArray[np.intp]
    members: NDArray[np.intp]
    held_out: NDArray[np.intp]
    n_outsiders: int
    source: str

    @property
    def is_member(self) -> NDArray[np.bool_]:
        """Of the people who are tested, members first: bool (n_people,)."""
        return np.arange(len(self.members) + self.n_outsiders) < len(self.members)

    @property
    def own(self) -> NDArray[np.intp]:
        """For each who is tested, the place among the training samples, int64 (n_people,); -1 for outsiders."""
        places = np.searchsorted(self.training, self.members)
        return np.concatenate([places, np.full(self.n_outsiders, -1)])


def choose_people(
    bundle: Bundle, n_samples: int, most_members: int, n_given: int | None, source: str, seed: int, allow_few: bool
) -> People:
    """Choose members at random, and find the outsiders.

    Args:
        bundle: The model, whose manifest says who was held out.
        n_samples: People of the training files.
        most_members: How many members to test at most.
        n_given: Outsiders of a file of their own; None to take those held out.
        source: Name of this file.
        seed: Seed of the choice.
        allow_few: Whether fewer than `LEAST_OUTSIDERS` are enough.

    Raises:
        DataError: if there are too few outsiders, or nothing says who was held out.
    """
    held_out = _held_out(bundle, n_samples, n_given is not None)
    training = np.setdiff1d(np.arange(n_samples), held_out)
    n_outsiders = len(held_out) if n_given is None else n_given
    if len(training) < 2 or n_outsiders < 2:
        raise DataError(f"expected two members and two outsiders or more, found {len(training)} and {n_outsiders}")
    if n_outsiders < LEAST_OUTSIDERS and not allow_few:
        raise SettingsError(
            f"expected {LEAST_OUTSIDERS} outsiders or more, found {n_outsiders}: fewer cannot show how rare false "
            "alarms are; give more with --outsiders, or add --allow-few-outsiders"
        )
    members = training
    if len(training) > most_members:
        members = np.sort(np.random.default_rng(seed).choice(training, most_members, replace=False))
    tested = held_out if n_given is None else held_out[:0]
    return People(n_samples, training, members, tested, n_outsiders, source if n_given is not None else HELD_OUT)


def _held_out(bundle: Bundle, n_samples: int, has_outsiders: bool) -> NDArray[np.intp]:
    """The people of the training files whom the model was not trained on."""
    manifest = bundle.manifest
    if manifest is None:
        if not has_outsiders:
            raise SettingsError(
                f"{bundle.prefix} has no manifest, which would say who was held out from training; give people who are "
                "not in the panel with --outsiders"
            )
        return np.empty(0, np.intp)
    number, seed = manifest.settings.get("validation_samples"), manifest.settings.get("seed", manifest.seed)
    if type(number) is not int or type(seed) is not int or not 0 <= number < n_samples:
        raise DataError("expected the number of validation samples in the manifest's settings", bundle.prefix)
    for entry in manifest.regions:
        trained = entry.summary.get("training_samples")
        if trained is not None and trained != n_samples - number:
            raise DataError(
                f"the model was trained on {trained} samples, the training files have {n_samples}, of which {number} "
                "were held out; give the --data-list of the training"
            )
    return held_out_samples(n_samples, number, seed)


class Closeness:
    """How much outsiders share with members, region by region.

    Args:
        people: Who is tested.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._shared = np.zeros((2 * people.n_outsiders, 2 * len(people.training)), np.int32)
        self._codes: list[int] = [0] * (2 * len(people.training))
        self._n_rows = self._n_regions = 0

    def add(self, outsiders: NDArray[np.int8], training: NDArray[np.int8]) -> None:
        """Add a region: alleles of the outsiders and of all training samples, int8 (n_rows, n_haplotypes).

        Rows at which all outsiders are missing, such as those that their file lacks, say nothing and are left out.
        """
        is_absent = (outsiders < 0).all(axis=1)
        if is_absent.any():
            outsiders, training = outsiders[~is_absent], training[~is_absent]
        codes = [
            np.array([hash(column.tobytes()) for column in np.ascontiguousarray(part.T)])
            for part in (outsiders, training)
        ]
        for shared, code in zip(self._shared, codes[0], strict=True):
            shared[codes[1] == code] += len(outsiders)
        self._codes = [hash(pair) for pair in zip(self._codes, codes[1].tolist(), strict=True)]
        self._n_rows += len(outsiders)
        self._n_regions += 1

    def longest(self) -> float:
        """The largest share of the rows that an outsider's and a member's haplotype have in common."""
        return float(self._shared.max() / self._n_rows)

    def n_close(self) -> int:
        """Outsiders who share at least `CLOSE_SHARE` with a member."""
        by_haplotype = self._shared.max(axis=1) >= CLOSE_SHARE * self._n_rows
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
        if self._n_regions < REGIONS_THAT_IDENTIFY:
            are_several = len(equal) >= SEVERAL or len(equal) > SEVERAL_SHARE * n_outsiders
            if not are_several or len(equal) <= FAR_MORE * self._equal_in_panel() * n_outsiders:
                return
        if equal.size:
            raise DataError(
                f"expected outsiders who are not in the panel, found {counted(len(equal), 'outsider')} with both "
                f"haplotypes of a member in {counted(self._n_regions, 'region')}: {_named(equal, names)}; remove them"
            )

    def _equal(self) -> NDArray[np.intp]:
        """Outsiders with both haplotypes of one member in all regions so far, in either order."""
        is_same = (self._shared == self._n_rows).reshape(self._people.n_outsiders, 2, -1, 2)
        straight = is_same[:, 0, :, 0] & is_same[:, 1, :, 1]
        crossed = is_same[:, 0, :, 1] & is_same[:, 1, :, 0]
        return np.flatnonzero((straight | crossed).any(axis=1))

    def _equal_in_panel(self) -> float:
        """The share of the training samples with both haplotypes of another one in all regions so far."""
        pairs = Counter(tuple(sorted(self._codes[place : place + 2])) for place in range(0, len(self._codes), 2))
        return 2 * sum(number for number in pairs.values() if number > 1) / len(self._codes)

    def warn_of_relatives(self, names: Sequence[str]) -> None:
        """Warn of outsiders who share so much with a member that they may be relatives, or the member.

        Args:
            names: Names of the outsiders.
        """
        equal = self._equal()
        if equal.size:
            logger.warning(
                "warning: %s both haplotypes of a member in %s, and may be members: %s; audit %d regions or more to be "
                "sure",
                f"{counted(len(equal), 'outsider')} {'has' if len(equal) == 1 else 'have'}",
                counted(self._n_regions, "audited region"),
                *(_named(equal, names), REGIONS_THAT_IDENTIFY),
            )
        if self.n_close():
            logger.warning(
                "warning: %s may be relatives of members: they share %g%% of the audited rows or more with one; "
                "relatives make a model look safer than it is%s",
                *(counted(self.n_close(), "outsider"), 100 * CLOSE_SHARE),
                "" if self._n_regions >= REGIONS_THAT_IDENTIFY else "; in so few regions, unrelated people may too",
            )


def _named(places: NDArray[np.intp], names: Sequence[str]) -> str:
    return first_few([names[place] for place in places.tolist()])
