"""Stretches of haploid samples, recorded site by site."""

from __future__ import annotations

import numpy as np

from rnnimp.sites.ploidy import Ploidy, PloidyRecorder


def recorded(rows: list[tuple[int, str]]) -> Ploidy | None:
    """`h` for haploid, `d` for diploid, `.` for missing: a character a sample."""
    recorder = PloidyRecorder()
    for position, text in rows:
        codes = np.array(list(text))
        recorder.add(position, codes == "h", codes != ".")
    return recorder.ploidy()


def test_stretches_begin_where_somebody_changes() -> None:
    ploidy = recorded([(10, "dd"), (20, "dh"), (30, "dh"), (40, "dd")])
    assert ploidy is not None
    assert ploidy.first_positions.tolist() == [10, 20, 40]
    assert ploidy.at(np.array([1, 19, 20, 39, 40, 99]))[:, 1].tolist() == [False, False, True, True, False, False]
    assert not ploidy.at(np.array([25]))[0, 0]


def test_missing_genotypes_change_nothing() -> None:
    ploidy = recorded([(10, "d."), (20, ".h"), (30, ".."), (40, "d.")])
    assert ploidy is not None
    assert ploidy.first_positions.tolist() == [10]  # who is unknown at first is what is seen later
    assert ploidy.is_haploid.tolist() == [[False, True]]


def test_nobody_haploid_is_none() -> None:
    assert recorded([(10, "dd"), (20, "d.")]) is None
    assert PloidyRecorder().ploidy() is None


def test_samples_are_taken() -> None:
    ploidy = Ploidy(np.array([1]), np.array([[True, False, True]]))
    assert ploidy.take_samples(np.array([2, 1])).is_haploid.tolist() == [[True, False]]
