"""Several chromosomes in one command: names, paths, and chromosomes that fail."""

from __future__ import annotations

import logging

import pytest

from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.chromosomes import (
    CHROMOSOMES,
    chosen_chromosomes,
    each_chromosome,
    filled,
    has_place,
    parse_chromosomes,
)


def test_an_at_sign_counts_in_the_last_part_of_a_path_only() -> None:
    assert not has_place("user@host/models/chr22")
    assert filled("user@host/models/chr@", "7") == "user@host/models/chr7"
    assert filled("user@host/{chrom}/chr@", "7") == "user@host/7/chr@"


@pytest.mark.parametrize(
    ("text", "expected"), [("22", ("22",)), ("chr1,chrX", ("1", "X")), ("3-1", None), ("1-X", None), ("Y", None)]
)
def test_lists_of_chromosomes(text: str, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        with pytest.raises(SettingsError, match="--chromosomes expects"):
            parse_chromosomes(text)
    else:
        assert parse_chromosomes(text) == expected


def test_those_that_are_there_are_chosen() -> None:
    paths = {name: f"chr{name}" for name in CHROMOSOMES}
    there = {"chr2", "chr7"}
    assert chosen_chromosomes(None, paths, there.__contains__, "the model") == ("2", "7")
    with pytest.raises(DataError, match=r"found none of 3 \(chr3\)"):
        chosen_chromosomes(("2", "3"), paths, there.__contains__, "the model")
    with pytest.raises(DataError, match="such as chr22, found none"):
        chosen_chromosomes(None, paths, lambda _: False, "the model")


def test_one_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    worked = []

    def work(name: str, number: int) -> None:
        if number == 2:
            raise DataError("damaged", "chr2.vcf")
        worked.append(name)

    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match="1 of 3 chromosomes not imputed: 2;"):
        each_chromosome({"1": 1, "2": 2, "3": 3}, work, "imputed")
    assert worked == ["1", "3"]
    assert "chromosome 2 was not imputed: chr2.vcf: damaged" in caplog.text
