from __future__ import annotations

import json

import pytest

from audit_results import audit_results
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL


def test_json_has_every_result_and_the_layout_of_sacro_ml():
    results = audit_results()

    content = json.loads(json.dumps(results.as_dict(), allow_nan=False))

    assert content["format"] == "rnnimp-audit"
    assert {row["subject"] for row in content["results"]} == {MODEL, FLOOR, CEILING}
    log = content["attack_results"]["combined_3e1c7b3a"]
    metrics = log["attack_experiment_logger"]["attack_instance_logger"]["instance_0"]
    assert metrics["AUC"] == results.best().auc.value
    assert metrics["n_neg_test_examples"] == 150
    assert metrics["TPR@0.1%"] is None and metrics["TPR@1%"] == pytest.approx(results.best().tpr[0.01].value)
    assert content["results"][0]["figures"]["tpr"]["0.001"]["note"].startswith("150 outsiders cannot resolve")


def test_a_model_without_hmm_has_no_readable_stretches():
    assert audit_results(has_hmm=False).as_dict()["stretches"] is None


def test_figures_of_an_attack_that_was_not_tried():
    assert audit_results().over_all("longest_match", FLOOR) is None
