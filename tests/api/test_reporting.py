"""`rnnimp.report`: the page of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

import rnnimp
from report_cases import make_results
from rnnimp.cli import main


def test_the_page_is_that_of_the_command(tmp_path: Path) -> None:
    make_results(tmp_path)
    page, accuracy = tmp_path / "a.html", tmp_path / "accuracy" / "both"
    rnnimp.report(page, imputed=tmp_path / "x", accuracy=[accuracy], multiqc=tmp_path / "m")
    inputs = ["--imputed", f"{tmp_path}/x", "--accuracy", str(accuracy)]
    assert main(["report", *inputs, "--output", f"{tmp_path}/b.html"]) == 0
    assert page.read_text() == (tmp_path / "b.html").read_text()
    assert len(list((tmp_path / "m").iterdir())) >= 3
    with pytest.raises(rnnimp.RnnimpError, match="expected something to write"):
        rnnimp.report(imputed=tmp_path / "x")
