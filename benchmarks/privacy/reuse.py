"""Whether an audit of an earlier run would come out the same today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from privacy.inputs import Inputs
from rnnimp import __version__
from rnnimp.formats.files import sha256_of
from rnnimp.pipeline.audit.results import FORMAT, FORMAT_VERSION
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.privacy.attacks.registry import ATTACKS
from rnnimp.privacy.combined import NAME as COMBINED


def differences(audit: Mapping[str, Any], prefix: Path, inputs: Inputs, settings: AuditSettings) -> list[str]:
    """What an audit has otherwise than one that would be made now; empty if it can be reused.

    Args:
        audit: Content of the JSON file of `rnnimp audit`.
        prefix: Prefix of the model.
        inputs: The regions and the people.
        settings: Settings of an audit that would be made now.
    """
    model, people, options = (audit.get(part) or {} for part in ("model", "people", "settings"))
    files = {prefix.parent / name: digest for name, digest in model.get("checksums", {}).items()}
    is_same_model = files and all(path.exists() and sha256_of(path) == digest for path, digest in files.items())
    expected = {**settings.as_dict(), "genetic_map": inputs.map_source.name}
    found = {
        "format": (audit.get("format"), audit.get("format_version")) == (FORMAT, FORMAT_VERSION),
        "version of rnnimp": (audit.get("versions") or {}).get("rnnimp") == __version__,
        "model files": is_same_model,
        "regions": model.get("regions") == list(inputs.regions),
        "members": people.get("n_members") == len(inputs.people.members),
        "outsiders": (people.get("n_outsiders"), people.get("outsiders"))
        == (inputs.people.n_outsiders, inputs.people.source),
        **{f"setting {name}": options.get(name) == value for name, value in expected.items()},
        "attacks": options.get("attacks") == _attacks(has_hmm=bool(model.get("n_states"))),
    }
    return [name for name, is_same in found.items() if not is_same]


def _attacks(has_hmm: bool) -> Sequence[str]:
    """The attacks on a model of this kind, as the JSON file lists them."""
    return [*(attack.name for attack in ATTACKS if has_hmm or "states" not in attack.needs), COMBINED]
