"""A small made-up result of an audit, for tests of what shows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnimp.pipeline.audit.results import (
    CEILING,
    FLOOR,
    MODEL,
    AttackDescription,
    AttackResult,
    AuditedModel,
    AuditedPeople,
    AuditResults,
    ExposedPerson,
    ScoreDistribution,
)
from rnnimp.privacy.figures import Estimate, extrapolated, figures, roc_curve
from rnnimp.privacy.rare_alleles import RareAlleles
from rnnimp.privacy.reconstruction import ReadableStretches, Rebuilt, Spread
from rnnimp.privacy.whole_states import WholeStates

_DISTANCES = {FLOOR: 0.0, MODEL: 1.5, CEILING: 4.0}
_STRENGTHS = {"loss": 0.6, "longest_match": 0.8, "combined": 1.0}


def audit_results(has_hmm: bool = True, n_outsiders: int = 150) -> AuditResults:
    """Results over two regions with three attacks; without HMM one attack less and no readable stretches."""
    names = [name for name in _STRENGTHS if has_hmm or name != "longest_match"]
    results = [
        _result(name, subject, region, n_outsiders)
        for subject in (MODEL, FLOOR, CEILING)
        for name in names
        for region in (None, 3, 4)
        if not (subject != MODEL and name == "longest_match")
    ]
    best = next(result.figures for result in results if result.attack == "combined" and result.region is None)
    return AuditResults(
        log_id="3e1c7b3a-0d5e-5c7e-9f5b-0a1b2c3d4e5f",
        log_time="2026-01-31T12:00:00Z",
        versions={"rnnimp": "2.0.0", "numpy": "2.0.0"},
        settings={"members": 200, "seed": 1, "attacks": names},
        model=AuditedModel(
            name="chr22",
            chromosome="22",
            n_regions=6,
            regions=(3, 4),
            n_sites=2000,
            span=330_000,
            chromosome_share=0.0095,
            n_states=2048 if has_hmm else 0,
            checksums={"chr22_3.ort": "0" * 64, "chr22_4.ort": "1" * 64},
            rnnimp_version="2.0.0",
            recipe={"n_states": 2048 if has_hmm else 0, "max_iterations": 7000},
        ),
        people=AuditedPeople(2304, 200, n_outsiders, "held out for validation", 1, 0.61),
        attacks=tuple(
            AttackDescription(name, f"made-up {name}", f"Tries {name}.", name == "longest_match", name == "loss")
            for name in names
        ),
        results=tuple(results),
        best_attack="combined",
        chance=Estimate(0.54, 0.51, 0.59),
        scores=ScoreDistribution((-2.0, 0.0, 2.0, 4.0), (0.1, 0.5, 0.4), (0.5, 0.48, 0.02)),
        exposed=(ExposedPerson(1, 6.2, 0), ExposedPerson(2, 5.9, 0), ExposedPerson(3, 4.4, 1)),
        extrapolations=tuple(
            extrapolated(scope, best.d_prime, 2, n_regions, best.d_prime_interval)
            for scope, n_regions in (("regions", 2), ("model", 6), ("chromosome", 211), ("genome", 16270))
        ),
        stretches=_stretches() if has_hmm else None,
        whole_states=(
            tuple(WholeStates(region, 2048 * n, 0, 0, 0, 0, 0) for region, n in ((None, 2), (3, 1), (4, 1)))
            if has_hmm
            else ()
        ),
        rebuilt=tuple(
            _rebuilt(source) for source in (MODEL, "states", FLOOR, CEILING) if has_hmm or source != "states"
        ),
        rare_alleles=tuple(_rare_alleles(subject) for subject in (MODEL, FLOOR, CEILING)),
        seconds=83.2,
        sentence="From the 2 audited regions (0.95% of chromosome 22), 40 of 100 members are recognised when 1 of 100 "
        "outsiders is recognised by mistake.",
    )


def with_whole_states(results: AuditResults, *numbers: int) -> AuditResults:
    """The same results with 64 states in each region, of which so many are whole haplotypes of a member each."""
    regions = [WholeStates(region, 64, n, n, 1 if n else 0, 1, 1) for region, n in enumerate(numbers, start=3)]
    total = WholeStates(None, 64 * len(numbers), sum(numbers), max(numbers) + 6, 1, len(numbers), 1)
    return replace(results, whole_states=(total, *regions))


def _result(attack: str, subject: str, region: int | None, n_outsiders: int) -> AttackResult:
    rng = np.random.default_rng((len(attack), len(subject), region or 0))
    distance = _DISTANCES[subject] * _STRENGTHS[attack] * (1.0 if region is None else 0.7)
    members, outsiders = rng.normal(distance, 1, 200), rng.normal(0, 1, n_outsiders)
    curve = roc_curve(members, outsiders) if region is None else ()
    return AttackResult(attack, subject, region, figures(members, outsiders, rng), curve)


def _stretches() -> ReadableStretches:
    members, outsiders = Spread(310.0, 640.0, 1208.0), Spread(150.0, 320.0, 700.0)
    return ReadableStretches(members, outsiders, Spread(0.08, 0.2, 0.31), Spread(0.04, 0.11, 0.2))


def _rebuilt(source: str) -> Rebuilt:
    share = {MODEL: 0.02, "states": 0.31, FLOOR: 0.0, CEILING: 0.7}[source]
    members = Estimate(share, max(0.0, share - 0.02), share + 0.02)
    return Rebuilt(source, 0.95, members, Estimate(share / 4, 0.0, share / 2 + 0.01), 9.0, 17.0)


def _rare_alleles(subject: str) -> RareAlleles:
    mean = {MODEL: 0.55, FLOOR: 0.004, CEILING: 0.95}[subject]
    return RareAlleles(
        subject,
        0.01,
        1700,
        5200,
        3900,
        Estimate(mean, mean * 0.95, min(1.0, mean * 1.05)),
        Estimate(mean * 0.7, mean * 0.65, mean * 0.75),
        Estimate(mean * 0.3, mean * 0.25, mean * 0.35),
        0.8 if subject != FLOOR else None,
        0.7 if subject != FLOOR else None,
        mean,
        mean * 0.7,
    )
