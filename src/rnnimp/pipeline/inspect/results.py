"""JSON files that rnnimp writes: audits, evaluations, and checks of a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.json_files import read_json
from rnnimp.pipeline.evaluate.results import FORMAT as EVALUATION_FORMAT
from rnnimp.pipeline.inspect.findings import Inspection
from rnnimp.pipeline.inspect.model import AUDIT_FORMAT

_CHECKS = {"counts", "regions", "warnings", "errors"}


def inspect_json(path: str | Path) -> Inspection:
    """Say what a JSON file is.

    Raises:
        DataError: if it is no table, or none that rnnimp writes.
    """
    content = read_json(path, "make it again")
    if content.get("format") == AUDIT_FORMAT and isinstance(content.get("model"), dict):
        return Inspection(str(path), "audit of a model, by 'rnnimp audit'", _audit(content))
    if set(content) >= _CHECKS:
        return Inspection(str(path), "checks of a target, by 'rnnimp impute'", _checks(content))
    if content.get("format") == EVALUATION_FORMAT and isinstance(content.get("counts"), dict):
        return Inspection(str(path), "evaluation, by 'rnnimp evaluate'", _evaluation(content))
    raise DataError(
        "its kind is not known: JSON, but neither an audit, nor an evaluation, nor checks, nor a model's manifest", path
    )


def _audit(content: dict[str, Any]) -> dict[str, Any]:
    model, people = content["model"], content.get("people")
    people = people if isinstance(people, dict) else {}
    return {
        "model": model.get("name"),
        "chromosome": model.get("chromosome"),
        "audited_regions": model.get("regions"),
        "regions": model.get("n_regions"),
        "members": people.get("n_members"),
        "outsiders": people.get("n_outsiders"),
        "ended": content.get("log_time"),
        "sentence": content.get("sentence"),
    }


def _evaluation(content: dict[str, Any]) -> dict[str, Any]:
    sources, truth = content.get("imputed"), content.get("truth")
    scores = content.get("scores")
    overall = [row for row in scores if _is_overall(row)] if isinstance(scores, list) else []
    return {
        "chromosome": content.get("chromosome"),
        "imputed": [row.get("file") for row in sources if isinstance(row, dict)] if isinstance(sources, list) else None,
        "truth": truth.get("file") if isinstance(truth, dict) else None,
        "sites": content["counts"].get("sites_scored"),
        "samples": content["counts"].get("samples_in_all_files"),
        "mean_r2": [row["mean_r2"].get("value") for row in overall],
    }


def _is_overall(row: Any) -> bool:
    is_table = isinstance(row, dict) and isinstance(row.get("mean_r2"), dict)
    return is_table and row.get("by") == "all" and row.get("maf_percent") is None


def _checks(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("chromosome", "counts", "warnings", "errors") if name in content}
