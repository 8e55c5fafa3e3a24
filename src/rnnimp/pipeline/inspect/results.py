"""JSON files that rnnimp writes: audits, and checks of a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.json_files import read_json
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
    raise DataError("its kind is not known: JSON, but neither an audit, nor checks, nor a model's manifest", path)


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


def _checks(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("chromosome", "counts", "warnings", "errors") if name in content}
