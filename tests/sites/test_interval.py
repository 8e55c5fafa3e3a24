"""Parsing intervals as users write them."""

from __future__ import annotations

import numpy as np
import pytest

from rnnimp.errors import SettingsError
from rnnimp.sites.interval import LAST_POSITION, Interval, chosen_interval, parse_interval

CASES = [
    ("22", "22", 1, LAST_POSITION),
    ("chrX", "chrX", 1, LAST_POSITION),
    ("22:100-200", "22", 100, 200),
    ("22:100", "22", 100, 100),
    ("22:100-", "22", 100, LAST_POSITION),
    ("22:1,000-2,500", "22", 1000, 2500),
    ("22:50.3-50.6Mb", "22", 50_300_000, 50_600_000),
    ("22:50.3Mb-50600kb", "22", 50_300_000, 50_600_000),
    ("22:500kb-1Mb", "22", 500_000, 1_000_000),
    ("22:1.5 - 2.5 kb", "22", 1500, 2500),
    ("22:50Mb-", "22", 50_000_000, LAST_POSITION),
    (" 22:0-10 ", "22", 0, 10),
    ("22:0.1-0.3Mb", "22", 100_000, 300_000),  # exact, where floats would give 300,000.00000000006
]


@pytest.mark.parametrize(("text", "chromosome", "start", "end"), CASES)
def test_parse(text: str, chromosome: str, start: int, end: int) -> None:
    assert parse_interval(text) == Interval(chromosome, start, end)


@pytest.mark.parametrize(
    "text", ["", ":1-2", "22:", "22:a-b", "22:-5", "22:1-2-3", "22:1-2Gb", "22:1.5-2", "2 2", "22:9-3"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        parse_interval(text)


def test_both_ends_belong_to_it() -> None:
    interval = parse_interval("22:100-200")
    assert interval.holds(np.array([99, 100, 200, 201])).tolist() == [False, True, True, False]
    assert interval.has("chr22", 200)
    assert not interval.has("21", 150)


def test_text_can_be_read_again() -> None:
    for text in ("22", "22:100-200", "22:100-"):
        assert str(parse_interval(text)) == text


def test_region_and_chromosome_together() -> None:
    assert chosen_interval(None, None) is None
    assert chosen_interval(None, "22") == Interval("22")
    assert chosen_interval("22:5-6", "chr22") == Interval("22", 5, 6)
    with pytest.raises(SettingsError, match="only one of the two"):
        chosen_interval("22:5-6", "21")
