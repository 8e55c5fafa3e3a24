"""The scoring of the accuracy benchmark: one input imputed by all programs, and scored where all of them impute."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accuracy import panel_imputers
from accuracy.bootstrap import BinnedR2, binned_r2
from accuracy.inputs import Target, rnnimp
from accuracy.panel_imputers import Study
from rnnimp.errors import DataError
from rnnimp.formats.vcf.reading import read_genotypes
from rnnimp.pipeline.evaluate.calibration import Calibration, calibrate
from rnnimp.scoring.accuracy import compare, minor_percent, paired_blocks
from rnnimp.scoring.alignment import Alignment, Truth, align
from rnnimp.scoring.bootstrap import resampling_weights
from rnnimp.sites.panel import GenotypeTable

OWN = "rnnimp"


@dataclass(frozen=True)
class Scoring:
    """How inputs are scored, the same for all of them.

    Attributes:
        edges: Edges of the bins of minor allele frequency, in percent; sites below the first are not scored.
        n_replicates: Number of replicates of the bootstrap over samples.
        seed: Seed of the bootstrap.
    """

    edges: tuple[float, ...]
    n_replicates: int
    seed: int

    @property
    def bins(self) -> list[tuple[float, float]]:
        """Each bin, and at last all of them together."""
        return [*pairwise(self.edges), (self.edges[0], self.edges[-1])]

    def weights(self, n_samples: int) -> NDArray[np.float64]:
        """The samples as they are, and then the replicates: float64 (1 + n_replicates, n_samples)."""
        drawn = resampling_weights(n_samples, self.n_replicates, self.seed)
        return np.concatenate([np.ones((1, n_samples)), drawn])


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of the programs on one input.

    Attributes:
        r2: Score by program; the first row is for the samples as they are, then one row per replicate.
        n_sites: Sites scored in each bin.
        n_missing: Sites in the bins that at least one program does not impute.
        seconds: Seconds that each program took.
        calibrations: Calibration by program; empty if not requested.
    """

    r2: Mapping[str, BinnedR2]
    n_sites: Sequence[int]
    n_missing: int
    seconds: Mapping[str, float]
    calibrations: Mapping[str, Calibration]


def impute(target: Path, study: Study, model: Path) -> tuple[dict[str, GenotypeTable], dict[str, float]]:
    """Impute a target with all programs; their genotypes, and the seconds of each, with its start."""
    seconds, outputs = {}, {OWN: target.parent / f"{OWN}.vcf"}
    seconds[OWN] = impute_with_model(target, model, outputs[OWN])
    for program, run in panel_imputers.PANEL_IMPUTERS.items():
        outputs[program] = target.parent / f"{program}.vcf.gz"
        start = time.perf_counter()
        run(study, target, outputs[program])
        seconds[program] = time.perf_counter() - start
    return {program: read_genotypes(path) for program, path in outputs.items()}, seconds


def impute_with_model(target: Path, model: Path, output: Path) -> float:
    """Impute with a model of rnnimp; writes `output`, a `.vcf`. The seconds that it took."""
    prefix = output.with_suffix("")
    return rnnimp("impute", "--vcf", target, "--model-prefix", model, "--output-prefix", prefix, *_AS_VCF)


_AS_VCF = ("--output-format", "vcf")


def score(
    tables: Mapping[str, GenotypeTable],
    seconds: Mapping[str, float],
    target: Target,
    scoring: Scoring,
    calibrated: bool,
) -> Scores:
    """Score all programs on the sites that the array does not type and all of them impute."""
    truth = target.truth()
    is_scored = ~target.panel.sites.markers() & (minor_percent(target.frequencies) > scoring.edges[0])
    shared = share_sites({program: align(table, truth) for program, table in tables.items()}, is_scored)
    rows = next(iter(shared.values())).truth_rows
    frequencies = target.frequencies[rows]
    genotypes, dosages = paired_dosages(tables, truth, shared)
    weights = scoring.weights(genotypes.shape[1])
    calibrations = {}
    if calibrated:
        for program, at in shared.items():
            statistics = compare(tables[program], truth, at)
            calibrations[program] = calibrate(tables[program], truth, at, statistics, frequencies, scoring.edges)
    percent = minor_percent(frequencies)
    return Scores(
        {program: binned_r2(genotypes, each, frequencies, weights, scoring.edges) for program, each in dosages.items()},
        [int(np.count_nonzero((percent > lower) & (percent <= upper))) for lower, upper in scoring.bins],
        int(np.count_nonzero(is_scored)) - len(rows),
        seconds,
        calibrations,
    )


def share_sites(alignments: Mapping[str, Alignment], is_scored: NDArray[np.bool_]) -> dict[str, Alignment]:
    """The alignments at the sites to score that are in all of them.

    Raises:
        DataError: if there is none.
    """
    is_shared = is_scored.copy()
    for alignment in alignments.values():
        is_shared &= np.isin(np.arange(len(is_scored)), alignment.truth_rows)
    if not is_shared.any():
        raise DataError("expected sites that all programs impute, found none; does the model fit the panel?")
    return {program: alignment[is_shared[alignment.truth_rows]] for program, alignment in alignments.items()}


def paired_dosages(
    tables: Mapping[str, GenotypeTable], truth: Truth, shared: Mapping[str, Alignment]
) -> tuple[NDArray[np.int8], dict[str, NDArray[np.float32]]]:
    """True genotypes, missing where any program has none, and each program's dosages: (n_shared_sites, n_samples)."""
    genotypes: NDArray[np.int8] | None = None
    dosages = {}
    for program, alignment in shared.items():
        blocks = [pairs for _, pairs in paired_blocks(tables[program], truth, alignment)]
        order = np.argsort(alignment.truth_samples)
        dosages[program] = np.concatenate([block.dosages for block in blocks])[:, order]
        true = np.concatenate([block.genotypes for block in blocks])[:, order]
        known = np.where(np.isnan(dosages[program]), -1, true).astype(np.int8)
        genotypes = known if genotypes is None else np.minimum(genotypes, known)
    assert genotypes is not None, "there is at least one program"
    return genotypes, dosages
