"""Points of the frontier: read from audits, written and read again, and drawn."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from privacy.frontier import Leak, Point, Trial, audited_leak, read_audit, read_points, read_trials, write_points

from audit_results import audit_results
from helpers import REPOSITORY
from privacy import draw, frontier
from rnnimp.errors import DataError
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL
from rnnimp.privacy.figures import Estimate, figures

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [
    Point(
        "accurate",
        MODEL,
        Estimate(0.9132, 0.905, 0.92),
        Leak(
            "combined",
            *(Estimate(0.93, 0.9, 0.95), Estimate(0.5, 0.3, 0.6), Estimate(0.85, 0.8, 0.9), Estimate(0.54, 0.51, 0.58)),
        ),
    ),
    Point("published", MODEL, Estimate(0.9, 0.89, 0.91), Leak("loss", Estimate(0.8, 0.75, 0.85), Estimate(None))),
    Point(
        "Minimac4",
        frontier.PROGRAM,
        Estimate(0.9009, 0.89, 0.91),
        Leak("loss", Estimate(1.0, 0.96, 1.0), Estimate(1.0, 1.0, 1.0)),
    ),
    Point(
        "frequencies",
        frontier.CONTROL,
        Estimate(0.0, 0.0, 0.0),
        Leak("frequencies", Estimate(0.51, 0.45, 0.57), Estimate(0.02, 0.0, 0.05)),
    ),
]
TRIALS = "name\tfamily\tmean_r2\tauc\ttpr\tnote\nt1\tdropout\t0.88\t0.61\t0.03\tx\nt2\tstates\t0.86\t0.58\tNA\ty\n"


def write(path: Path, points: list[Point]) -> Path:
    with path.open("wb") as file:
        write_points(file, points)
    return path


def texts(path: Path) -> set[str]:
    return {element.text or "" for element in ElementTree.parse(path).iter(f"{SVG}text")}


@pytest.mark.parametrize("has_hmm", [True, False])
@pytest.mark.parametrize("subject", [MODEL, FLOOR, CEILING])
def test_the_leak_of_an_audit_is_that_of_its_strongest_attack_over_all_regions(
    tmp_path: Path, has_hmm: bool, subject: str
) -> None:
    results = audit_results(has_hmm)
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(results.as_dict()))
    leak = audited_leak(read_audit(path), subject)
    known = {
        result.attack: result.figures
        for result in results.results
        if result.subject == subject and result.region is None
    }
    assert leak.auc == max((found.auc for found in known.values()), key=lambda auc: auc.value or 0)
    assert leak.auc == known[leak.attack].auc
    assert leak.tpr == known[leak.attack].tpr[0.01]
    longest = known.get("longest_match")
    assert leak.longest_match == (frontier.NO_ESTIMATE if longest is None else longest.auc)
    assert leak.chance == (results.chance if subject == MODEL else frontier.NO_ESTIMATE)


def test_the_leak_of_the_model_names_the_audits_best_attack() -> None:
    results = audit_results()
    assert audited_leak(json.loads(json.dumps(results.as_dict()))).attack == results.best_attack


def test_an_audit_without_the_subject() -> None:
    with pytest.raises(DataError, match="expected figures of 'floor'"):
        audited_leak({"results": []}, FLOOR)


def test_an_audit_of_another_version(tmp_path: Path) -> None:
    content = json.loads(json.dumps(audit_results().as_dict()))
    del content["chance"]
    with pytest.raises(DataError, match="this version of rnnimp, found one without 'chance'"):
        audited_leak(content)
    (tmp_path / "audit.json").write_text("{")
    with pytest.raises(DataError, match=r"audit.json: expected the JSON file of 'rnnimp audit'"):
        read_audit(tmp_path / "audit.json")


def test_the_strongest_of_several_attacks() -> None:
    rng = np.random.default_rng(1)
    outsiders = rng.normal(size=200)
    shifts = {"weak": 0.2, "strong": 2.0, "longest_match": 1.0}
    made = {name: figures(rng.normal(shift, 1, size=200), outsiders, rng) for name, shift in shifts.items()}
    leak = frontier.strongest({name: (found.auc, found.tpr[0.01]) for name, found in made.items()})
    assert (leak.attack, leak.auc, leak.tpr) == ("strong", made["strong"].auc, made["strong"].tpr[0.01])
    assert leak.longest_match == made["longest_match"].auc


def test_written_points_are_read_again(tmp_path: Path) -> None:
    assert read_points(write(tmp_path / "points.tsv", POINTS)) == POINTS


def test_trials(tmp_path: Path) -> None:
    path = tmp_path / "trials.tsv"
    path.write_text(TRIALS)
    first, second = read_trials(path)
    assert first == Trial("t1", "dropout", 0.88, 0.61, 0.03)
    assert (second.name, second.family, second.auc) == ("t2", "states", 0.58)
    assert np.isnan(second.tpr)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tmean_r2\tauc\ttpr\n", "trials.tsv:1: expected columns name, family.* found none named family"),
        (TRIALS.replace("0.61", "high"), "trials.tsv:2: expected a number or NA, found 'high'"),
        (TRIALS + "t3\tstates\n", "trials.tsv:4: expected as many values"),
        (TRIALS.replace("\ty", "\ty\tz"), "trials.tsv:3: expected as many values"),
    ],
)
def test_bad_trials(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trials.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_trials(path)


def test_a_point_of_an_unknown_kind(tmp_path: Path) -> None:
    path = write(tmp_path / "points.tsv", POINTS)
    path.write_text(path.read_text().replace("program", "toy"))
    with pytest.raises(DataError, match=r"points.tsv:4: expected a kind of model, program, floor, found 'toy'"):
        read_points(path)


def test_the_picture_shows_points_ends_and_trials(tmp_path: Path) -> None:
    points, trials = write(tmp_path / "points.tsv", POINTS), tmp_path / "trials.tsv"
    trials.write_text(TRIALS)
    pictures = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for path in pictures:
        assert draw.main([str(points), f"--trials={trials}", "--title=a title", f"--output={path}"]) == 0
    assert {"accurate", "published", "Minimac4", "frequencies, mean r2 0", "dropout", "states", "a title"} <= texts(
        pictures[0]
    )
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_the_picture_without_trials(tmp_path: Path) -> None:
    points, path = write(tmp_path / "points.tsv", POINTS), tmp_path / "picture.svg"
    assert draw.main([str(points), f"--output={path}"]) == 0
    assert "trials" not in texts(path)


def test_names_lie_beside_their_points_and_cover_nothing(tmp_path: Path) -> None:
    estimates = [(0.9, 0.9), (0.9, 0.9002), (0.9, 0.9004), (0.6, 0.85), (0.99, 0.87), (0.5, 0.92)]
    points = [
        Point(f"model {number}", MODEL, Estimate(r2), Leak("loss", Estimate(auc), Estimate(None)))
        for number, (auc, r2) in enumerate(estimates)
    ]
    svg = tmp_path / "frontier.svg"
    assert draw.main([str(write(tmp_path / "t.tsv", points)), "--output", str(svg)]) == 0
    assert {point.name for point in points} <= texts(svg)
    labels = [each for each in ElementTree.parse(svg).iter(f"{SVG}text") if (each.text or "").startswith("model")]
    heights = [float(str(each.get("transform")).split()[1].rstrip(")")) for each in labels[:3]]
    assert all(abs(one - other) > 10 for number, one in enumerate(heights) for other in heights[:number])


def test_the_picture_of_the_documentation_is_that_of_its_tables() -> None:
    pictures = REPOSITORY / "docs" / "pictures"
    points, trials = read_points(pictures / "frontier.tsv"), read_trials(pictures / "frontier_trials.tsv")
    svg = (pictures / "frontier.svg").read_text(encoding="utf-8")
    assert f"tables: {frontier.digest(points, trials)}" in svg, "run: make frontier-picture"
    assert {point.name for point in points if point.kind != frontier.CONTROL} <= texts(pictures / "frontier.svg")
    assert {trial.family for trial in trials} <= texts(pictures / "frontier.svg")


def test_the_digest_is_that_of_points_and_trials() -> None:
    trial = Trial("t", "f", 0.9, 0.6, 0.1)
    found = {frontier.digest(POINTS, [trial]), frontier.digest(POINTS[1:], [trial]), frontier.digest(POINTS, [])}
    assert len(found) == 3
    assert frontier.digest(list(POINTS), [trial]) in found


def test_an_error_leaves_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "picture.svg"
    assert draw.main([str(tmp_path / "none.tsv"), f"--output={path}"]) == 1
    assert capsys.readouterr().err.startswith("draw.py: error: ")
    assert not path.exists()
