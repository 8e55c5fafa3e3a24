"""Targets for `rnnimp report`: the tables and JSON files that the other commands leave behind."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from audit_results import audit_results
from fuzz.mutate_json import mutate_json
from fuzz.mutate_packed import under_gzip
from fuzz.mutate_text import mutate_text
from fuzz.seeds import files_of
from fuzz.target import Target
from report_cases import make_results, write_training
from rnnimp.pipeline.audit.files import json_text
from rnnimp.pipeline.report.multiqc import multiqc_contents
from rnnimp.pipeline.report.page import page
from rnnimp.pipeline.report.run import ReportSettings, read_inputs


def report_targets() -> list[Target]:
    """One per input of a report."""
    with redirect_stdout(io.StringIO()):  # the tables of the evaluations
        results = files_of(_write_results)
    trained = files_of(_write_training)
    audit = {"a.json": json_text(audit_results()).encode()}
    packed, text = under_gzip(mutate_text), mutate_text
    imputed = {"x.info.tsv.gz": packed, "x.checks.json": mutate_json, "x.samples.tsv": text}
    evaluated = {
        name: packed if name.endswith(".gz") else text
        for name in results
        if name.startswith("accuracy/both.") and not name.endswith(("genotypes.tsv", "bins.tsv", "json"))
    }
    histories = {name: text for name in trained if name.endswith("history.tsv")}
    manifest = {"train/models/t.manifest.json": mutate_json}
    return [
        Target("report: imputed", results, imputed, partial(_report, imputed="x")),
        Target("report: accuracy", results, evaluated, partial(_report, accuracy=("accuracy/both",))),
        Target("report: training", trained, histories | manifest, partial(_report, training="train/t")),
        Target("report: audit", audit, {"a.json": mutate_json}, partial(_report, audit="a.json")),
    ]


def _write_results(folder: Path) -> None:
    make_results(folder)


def _write_training(folder: Path) -> None:
    write_training(folder)


def _report(folder: Path, **inputs: str | tuple[str, ...]) -> None:
    """Make the page and the files for MultiQC, all but the pictures themselves."""
    settings = ReportSettings(output="out/r.html", **inputs)  # type: ignore[arg-type]
    read = read_inputs(settings)
    page("t", "s", read.sections(), "")
    multiqc_contents("run", read.imputed, read.evaluations)
