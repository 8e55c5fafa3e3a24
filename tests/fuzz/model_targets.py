"""Targets for models and trainings: graphs, `.ort` files, manifests, legends, and what a training folder holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from fuzz import seeds
from fuzz.checks import TOLERANCE, imputed_is_plausible
from fuzz.commands import command
from fuzz.mutate_binary import mutate_bytes
from fuzz.mutate_checkpoint import mutate_checkpoint
from fuzz.mutate_json import mutate_json
from fuzz.mutate_onnx import mutate_onnx
from fuzz.mutate_packed import under_gzip
from fuzz.mutate_text import mutate_text
from fuzz.seeds import IMPUTE
from fuzz.target import DisagreementError, Files, Target, is_report
from rnnimp.formats.bundle import open_bundle
from rnnimp.imputation.engines.choice import load_engine


def model_targets() -> list[Target]:
    """All targets that read a model."""
    own, foreign = seeds.model(is_own=True), seeds.model(is_own=False)
    case = seeds.impute_case()
    impute = command(*IMPUTE, "--output", "out/o.vcf")
    packed = under_gzip(mutate_text)
    legends = {name: packed for name in case if name.startswith("m_") and name.endswith("legend.gz")}
    graphs = {name: mutate_onnx for name in case if name.endswith(".onnx")}
    ort = {name: content for name, content in foreign.items() if not name.endswith(".onnx")}
    ort["m_1.ort"] = ort_of(foreign["m_1.onnx"])
    return [
        Target("model: own graph", own, {"m_1.onnx": mutate_onnx}, _predictions, _check_predictions),
        Target("model: other graph", foreign, {"m_1.onnx": mutate_onnx}, _predictions, _check_predictions),
        Target("model: .ort", ort, {"m_1.ort": mutate_bytes}, _predictions, _check_predictions),
        Target("model: legend", case, legends, impute, imputed_is_plausible, is_report),
        Target("model: graphs by impute", case, graphs, impute, imputed_is_plausible, is_report),
        _manifest_target(case, impute),
    ]


def ort_of(model: bytes) -> bytes:
    """ONNX Runtime's own form of a graph."""

    def make(folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(folder / "m.ort")
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    return seeds.files_of(make)["m.ort"]


def _inputs(n_markers: int) -> Any:
    alleles = np.random.default_rng(3).integers(0, 2, size=(6, n_markers))
    return np.eye(2, dtype=np.float32)[alleles]


def _predictions(folder: Path) -> Any:
    """The predictions of the engine that rnnimp picks."""
    (region,) = open_bundle("m").regions
    return region, load_engine(region)(_inputs(len(region.marker_rows)))


def _check_predictions(folder: Path, files: Files, result: Any) -> None:
    """Probabilities, as many as sites, the same as ONNX Runtime computes of the file."""
    region, found = result
    if found.shape[0] != len(region.imputed_rows) or not np.isfinite(found).all():
        raise DisagreementError(f"predictions of shape {found.shape}, or not finite")
    if found.min() < -TOLERANCE or found.max() > 1 + TOLERANCE:
        raise DisagreementError(f"predictions from {found.min()} to {found.max()}")
    if (folder / "m_1.onnx").exists():
        wanted = _by_onnx_runtime((folder / "m_1.onnx").read_bytes(), _inputs(len(region.marker_rows)))
        if wanted is None:
            return
        wanted = wanted if wanted.shape == found.shape else wanted[..., 1]
        if wanted.shape != found.shape or not np.allclose(found, wanted, atol=2e-3):
            raise DisagreementError(f"other predictions than ONNX Runtime: {np.abs(found - wanted).max()}")


def _by_onnx_runtime(model: bytes, inputs: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: inputs})[0]
    except Exception as error:
        if "Got invalid dimensions for input" in str(error):  # a batch of another size, which changes no result
            return None
        raise DisagreementError(f"ONNX Runtime refuses what was accepted: {str(error)[:150]}") from error


def _manifest_target(case: Files, impute: Callable[[Path], Any]) -> Target:
    """A model with a manifest, changed in its fields."""
    regions = []
    for index in range(1, 5):
        names = [f"m_{index}.legend.gz", f"m_{index}.onnx"]
        sums = {name: hashlib.sha256(case[name]).hexdigest() for name in names}
        counts = _region_counts(case, index)
        regions.append({"index": index, "files": sums, "summary": {"validation_r2": 0.5}, **counts})
    manifest = {
        "format": "rnnimp-bundle",
        "format_version": 1,
        "rnnimp_version": "2.0.0",
        "versions": {"torch": "2.6"},
        "chromosome": "22",
        "settings": {"n_units": 40},
        "seed": 7,
        "n_regions": 4,
        "regions": regions,
    }
    files = {**case, "m.manifest.json": json.dumps(manifest).encode()}
    return Target("model: manifest", files, {"m.manifest.json": mutate_json}, impute, imputed_is_plausible, is_report)


def _region_counts(case: Files, index: int) -> dict[str, int]:
    import gzip

    header, *rows = [line.split() for line in gzip.decompress(case[f"m_{index}.legend.gz"]).decode().splitlines()]
    flag, at = header.index("array_marker_flag"), header.index("position")
    positions = [int(row[at]) for row in rows if row[flag] == "0"]
    counts = {"n_markers": len(rows) - len(positions), "n_sites": len(positions)}
    return {**counts, "first_position": positions[0], "last_position": positions[-1]}


def training_targets() -> list[Target]:
    """The files of a finished training, read by status, by bundle, and by a run that resumes."""
    files = seeds.training()
    records = {name: mutate_json for name in files if name.endswith(".json")}
    table = {name: mutate_text for name in files if name == "c.list"}
    return [
        Target("training: status", files, records, command("status", "r/c", codes=(0, 1, 3))),
        _checkpoint_target(files),
        Target("training: bundle", files, records, command("bundle", "r/c"), may_change=_is_manifest),
        Target(
            "training: resume",
            files,
            {**records, **table},
            command(*seeds.TRAIN),
            may_leave=_is_trained,
            may_change=_is_trained,
        ),
    ]


def _checkpoint_target(files: Files) -> Target:
    """A training whose networks are trained, and which was stopped before the first region was finished."""
    stopped = {name: content for name, content in files.items() if name != "r/c_regions/1/summary.json"}
    checkpoints = {
        name: mutate_checkpoint for name in files if name.startswith("r/c_regions/1/") and name[-3:] == ".pt"
    }
    resume = command(*seeds.TRAIN)
    return Target(
        "training: checkpoint",
        stopped,
        checkpoints,
        resume,
        _check_trained,
        may_leave=_is_trained,
        may_change=_is_trained,
    )


def _check_trained(folder: Path, files: Files, result: Any) -> None:
    """The exported networks have finite weights."""
    for path in sorted(folder.glob("r/models/*.onnx")):
        for tensor in onnx.load(path).graph.initializer:
            if not np.isfinite(numpy_helper.to_array(tensor)).all():
                raise DisagreementError(f"{path.name}: weights of {tensor.name} that are not finite")


def _is_manifest(path: str) -> bool:
    return path.endswith(".manifest.json")


def _is_trained(path: str) -> bool:
    return path.startswith("r/")
