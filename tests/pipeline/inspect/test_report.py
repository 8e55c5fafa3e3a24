"""The lines that `rnnimp inspect` prints."""

from __future__ import annotations

from typing import Any

import pytest

from rnnimp.pipeline.inspect.findings import Inspection
from rnnimp.pipeline.inspect.report import report


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (
            {"hmm_states": {"number": 2048, "carriers": 50}},
            "HMM states  2,048, each allele drawn from 50 people or more",
        ),
        ({"hmm_states": {"number": 512, "carriers": 0}}, "HMM states  512, copied from haplotypes of the panel"),
        ({"hmm_states": {"number": 0, "carriers": None}}, "HMM states  none"),
        ({"frequency_step": 0.0}, "frequency step  none, frequencies are exact"),
        ({"sites": 1200, "sites_counted": "by the index"}, "sites  1,200 (by the index)"),
        ({"phased_share": 0.25, "sampled_records": 1}, "phased  25% of heterozygous genotypes (in the first 1 record)"),
        (
            {"checksums": {"right": 1, "wrong": ["a"], "missing": []}},
            "checksums  1 file as in the manifest; 1 wrong: a",
        ),
        ({"written_by": ["one\nline"]}, "written by  one\\nline"),
    ],
)
def test_lines(facts: dict[str, Any], line: str) -> None:
    lines = [" ".join(text.split()) for text in report(Inspection("x", "a thing", facts)).splitlines()]
    assert lines == ["file x", "kind a thing", " ".join(line.split())]


def test_what_is_not_known_is_left_out() -> None:
    assert "audit" not in report(Inspection("x", "a thing", {"audit": None, "missing_regions": []}))


def test_changed_settings_follow_the_recipe() -> None:
    changed = {"changed_settings": {"n_units": {"model": 32, "recipe": 48}}}
    facts = {"recipe": "accurate", "recipe_is_named": False, **changed}
    text = report(Inspection("x", "a thing", facts, ("m_1.onnx is missing",)))
    assert "not named, closest to accurate, 1 setting changed:" in text
    assert " accurate, 1 setting changed:" in report(Inspection("x", "a thing", {**facts, "recipe_is_named": True}))
    assert "n_units 32 (recipe: 48)" in text
    assert "problem" in text.splitlines()[-1]
