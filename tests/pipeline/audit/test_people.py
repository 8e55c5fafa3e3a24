from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.audit.people import Closeness, People, choose_people
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


def test_people_who_are_the_same_in_several_regions_are_refused(trained):
    people = People(4, np.arange(4), np.arange(4), np.arange(0), 2, "file")
    rng, closeness = np.random.default_rng(1), Closeness(people)
    for _ in range(3):
        training = rng.integers(0, 2, (20, 8)).astype(np.int8)
        others = np.hstack([training[:, [5, 4]], rng.integers(0, 2, (20, 2)).astype(np.int8)])  # the third member
        closeness.add(others, training)

    assert (closeness.longest(), closeness.n_close()) == (1, 1)
    with pytest.raises(DataError, match="1 outsider with both haplotypes of a member in 3 regions: A;"):
        closeness.refuse_same(["A", "B"])


def test_rows_that_outsiders_lack_do_not_hide_a_member():
    people = People(4, np.arange(4), np.arange(4), np.arange(0), 1, "file")
    rng, closeness = np.random.default_rng(3), Closeness(people)
    for _ in range(3):
        training = rng.integers(0, 2, (20, 8)).astype(np.int8)
        others = training[:, [4, 5]]
        others[[2, 7]] = -1
        closeness.add(others, training)

    assert (closeness.longest(), closeness.n_close()) == (1, 1)
    with pytest.raises(DataError, match="1 outsider with both haplotypes of a member"):
        closeness.refuse_same(["A"])


def test_one_shared_haplotype_is_a_warning(caplog):
    people = People(4, np.arange(4), np.arange(4), np.arange(0), 1, "file")
    rng, closeness = np.random.default_rng(2), Closeness(people)
    for _ in range(3):
        training = rng.integers(0, 2, (20, 8)).astype(np.int8)
        closeness.add(np.hstack([training[:, [5]], 1 - training[:, [5]]]), training)

    closeness.refuse_same(["A"])
    closeness.warn_of_relatives(["A"])

    assert "warning: 1 outsider may be relatives of members" in caplog.text
    assert "both haplotypes" not in caplog.text


def closeness_of(n_members_among_outsiders, n_regions=1, n_rows=30, seed=4):
    """Closeness of 40 outsiders, of whom the first are members, and of 50 training samples."""
    closeness = Closeness(People(50, np.arange(50), np.arange(50), np.arange(0), 40, "file"))
    rng = np.random.default_rng(seed)
    for _ in range(n_regions):
        training, others = (rng.integers(0, 2, (n_rows, 2 * number)).astype(np.int8) for number in (50, 40))
        others[:, : 2 * n_members_among_outsiders] = training[:, : 2 * n_members_among_outsiders]
        closeness.add(others, training)
    return closeness


@pytest.mark.parametrize("n_regions", [1, 2])
def test_several_members_among_outsiders_are_refused_in_few_regions_too(n_regions):
    names = [f"X{number}" for number in range(40)]

    with pytest.raises(DataError, match=rf"3 outsiders with both haplotypes of a member in {n_regions} region.*X0, X1"):
        closeness_of(3, n_regions).refuse_same(names)


def test_two_members_among_outsiders_are_a_warning_in_few_regions(caplog):
    names = [f"X{number}" for number in range(40)]
    closeness = closeness_of(2)

    closeness.refuse_same(names)
    closeness.warn_of_relatives(names)

    assert "warning: 2 outsiders have both haplotypes of a member in 1 audited region, and may be members: X0, X1" in (
        caplog.text
    )
    assert "in so few regions, unrelated people may too" in caplog.text


def test_equal_people_are_not_refused_where_many_in_the_panel_are_equal():
    closeness = closeness_of(0, n_rows=2)

    assert closeness._equal().size > 20 and closeness._equal_in_panel() > 0.5
    closeness.refuse_same([f"X{number}" for number in range(40)])


def test_a_member_is_refused_at_any_later_region():
    closeness = closeness_of(1, n_regions=5)

    with pytest.raises(DataError, match="1 outsider with both haplotypes of a member in 5 regions: X0"):
        closeness.refuse_same([f"X{number}" for number in range(40)])
