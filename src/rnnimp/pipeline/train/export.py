"""Export a trained region: write its model files, then the summary that says that they are complete."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from rnnimp.formats.files import atomic_output, sha256_of
from rnnimp.formats.hapslegend import write_legend
from rnnimp.formats.json_files import write_json
from rnnimp.network.graph.export import as_ort, build_graph, check_graph
from rnnimp.pipeline.train.files import RegionFiles
from rnnimp.pipeline.train.manifest import library_versions
from rnnimp.sites.frequencies import frequency_step
from rnnimp.sites.panel import alleles_checksum, known_chromosome
from rnnimp.training.data import RegionData, TensorFeeder
from rnnimp.training.region import TrainedRegion

logger = logging.getLogger(__name__)

CHECKED_HAPLOTYPES = 20


def export_region(
    data: RegionData, region: TrainedRegion, files: RegionFiles, recipe: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write a region's models, then its summary, which says that they are complete.

    Args:
        data: Data of the region.
        region: What was trained.
        files: Where to write it.
        recipe: What the summary says of the recipe; None for nothing.
    """
    graph = build_graph(region.higher, region.lower, region.hybrid, region.hmm)
    rows = data.validation_rows()[:CHECKED_HAPLOTYPES]
    rows[1::2, ::5] = -1  # networks may read missing alleles in a way of their own
    inputs, _ = TensorFeeder(data, torch.device("cpu")).tensors(rows)
    error = check_graph(graph, region.higher, region.lower, region.hybrid, inputs, region.hmm)
    logger.debug("region %d: the graph differs from PyTorch by %.2g", files.number, error)
    with atomic_output(files.ending("onnx")) as file:
        file.write(graph.SerializeToString(deterministic=True))
    ort = as_ort(graph)
    if ort is None:
        logger.warning("ONNX Runtime is not installed here, so region %d gets no .ort file", files.number)
    else:
        with atomic_output(files.ending("ort")) as file:
            file.write(ort)
    write_legend(files.ending("legend.gz"), replace(data.panel.sites, a1_freq=data.model_freq))
    summary = _summary(data, region, files) | ({} if recipe is None else {"recipe": recipe})
    write_json(files.summary, summary)
    return summary


def _summary(data: RegionData, region: TrainedRegion, files: RegionFiles) -> dict[str, Any]:
    imputed = data.panel.sites.positions[~data.is_marker]
    names = [files.ending(ending) for ending in ("onnx", "legend.gz")]
    return {
        # the bytes of .ort files depend on the run, so they are not listed
        "files": {path.name: sha256_of(path) for path in names},
        "n_markers": int(np.count_nonzero(data.is_marker)),
        "n_sites": len(imputed),
        "first_position": int(imputed[0]),
        "last_position": int(imputed[-1]),
        "chromosome": known_chromosome(data.panel.sites),
        "networks": {name: asdict(evaluation) for name, evaluation in region.evaluations.items()},
        "training_samples": data.n_people[0],
        "validation_samples": data.n_people[1],
        "frequency_step": 0.0 if data.exact_frequencies else float(frequency_step(data.panel.alleles.shape[1])),
        "panel": alleles_checksum(data.panel.alleles),
        "versions": library_versions(),
    }
