"""The line that a finished region gets."""

from __future__ import annotations

import math

import pytest

from rnnimp.pipeline.train.report import result_line
from rnnimp.training.loop import Evaluation

SUMMARY = {"n_markers": 1, "n_sites": 300, "validation_samples": 20}


def evaluation(iteration: int, r2: float) -> Evaluation:
    return Evaluation(iteration, 0.01, 0.2, 0.1, r2, 1.0)


PARTS = {"higher": evaluation(400, 0.5), "lower": evaluation(390, 0.6), "copying": evaluation(300, 0.7)}


@pytest.mark.parametrize(("seconds", "time"), [(None, ""), (44.6, " in 45 s"), (3700.0, " in 1 h 2 min")])
def test_the_final_model_comes_first(seconds: float | None, time: str) -> None:
    assert result_line(6, SUMMARY, {**PARTS, "hybrid": evaluation(0, 0.75)}, seconds) == (
        f"region 6: finished{time}; 1 marker, 300 sites to impute; final model: R2 0.7500 on 20 held-out samples; its "
        "parts: higher-MAF network 0.5000 (weights of iteration 400), lower-MAF network 0.6000 (weights of iteration "
        "390), haplotype HMM 0.7000 (weights of iteration 300); combining them needs no training"
    )


def test_a_trained_hybrid_and_no_variation() -> None:
    line = result_line(6, SUMMARY, {"higher": evaluation(40, math.nan), "hybrid": evaluation(20, math.nan)})
    assert "final model: R2 not defined (no site varies) on 20" in line
    assert line.endswith("; combined by weights of iteration 20")
