from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.audit.people import choose_people
from rnnimp.training.data import held_out_samples


def bundle(n_held_out=110, seed=7, n_trained=390):
    """A model whose manifest has no more than what is read of it."""
    manifest = SimpleNamespace(
        settings={"validation_samples": n_held_out, "seed": seed},
        seed=seed,
        regions=[SimpleNamespace(summary={"training_samples": n_trained})],
    )
    return SimpleNamespace(manifest=manifest, prefix=Path("models/chr22"))


def choose(model, n_samples=500, most_members=50, n_given=None, allow_few=False, seed=1):
    return choose_people(model, n_samples, most_members, n_given, "others", seed, allow_few)


def test_outsiders_are_those_held_out_and_members_are_drawn_from_the_others():
    people = choose(bundle())

    held_out = held_out_samples(500, 110, 7)
    assert people.held_out.tolist() == held_out.tolist()
    assert not set(people.members) & set(held_out)
    assert len(people.members) == 50 and len(people.training) == 390
    assert people.training[people.own[:50]].tolist() == people.members.tolist()
    assert people.own[50:].tolist() == [-1] * 110
    assert people.is_member.tolist() == [True] * 50 + [False] * 110


def test_another_seed_draws_other_members_and_few_members_are_all_taken():
    assert choose(bundle(), seed=2).members.tolist() != choose(bundle()).members.tolist()
    assert len(choose(bundle(), most_members=1000).members) == 390


def test_outsiders_of_a_file_leave_those_held_out_untested():
    people = choose(bundle(), n_given=120)

    assert (people.n_outsiders, people.source, len(people.held_out)) == (120, "others", 0)
    assert len(people.training) == 390


def test_without_manifest_everyone_is_a_member():
    people = choose(SimpleNamespace(manifest=None, prefix=Path("m")), n_given=100)

    assert len(people.training) == 500


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (bundle(n_trained=300), {}, DataError, "trained on 300 samples, the training files have 500, of which 110"),
        (bundle(n_held_out=20, n_trained=480), {}, SettingsError, "expected 100 outsiders or more, found 20"),
        (bundle(n_held_out=600), {}, DataError, "number of validation samples"),
        (SimpleNamespace(manifest=None, prefix="m"), {}, SettingsError, "m has no manifest"),
        (bundle(), {"n_given": 1}, DataError, "found 390 and 1"),
    ],
)
def test_people_who_cannot_be_compared_are_refused(model, options, error, message):
    with pytest.raises(error, match=message):
        choose(model, **options)


def test_few_outsiders_are_allowed_where_that_is_asked_for():
    assert choose(bundle(n_held_out=20, n_trained=480), allow_few=True).n_outsiders == 20
