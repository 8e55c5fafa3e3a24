"""The people of an audit: members of the panel, and outsiders who are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import LEAST_OUTSIDERS
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import Bundle
from rnnimp.pipeline.audit.results import HELD_OUT
from rnnimp.training.data import held_out_samples


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
