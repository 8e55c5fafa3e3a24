"""From what was found in each region to the results over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.pipeline.audit.people import People
from rnnimp.pipeline.audit.regions import RegionFindings
from rnnimp.pipeline.audit.results import (
    MODEL,
    STATES,
    SUBJECTS,
    AttackDescription,
    AttackResult,
    ExposedPerson,
    ScoreDistribution,
)
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.privacy.attacks.protocol import Attack
from rnnimp.privacy.chance import best_auc_by_chance
from rnnimp.privacy.combined import EXPLANATION, NAME, TITLE, combined_scores
from rnnimp.privacy.figures import (
    Estimate,
    Extrapolation,
    Figures,
    Scores,
    auc,
    extrapolated,
    figures,
    in_outsider_sds,
    roc_curve,
)
from rnnimp.privacy.rare_alleles import RareAlleles, rare_alleles
from rnnimp.privacy.reconstruction import ReadableStretches, Rebuilt, readable_stretches, rebuilt
from rnnimp.privacy.whole_states import WholeStates, added_up, whole_states
from rnnimp.sites.genome_lengths import AUTOSOMES_BASES, sequenced_bases

MOST_EXPOSED = 10
_BINS = 24


@dataclass(frozen=True, eq=False)
class Scoring:
    """The scores of everyone, for each subject, region and attack; `combined` is among them.

    Attributes:
        by_region: For each subject, for each region's number, and None for all together: scores of each attack,
            float64 (n_people,).
        is_member: bool (n_people,).
    """

    by_region: Mapping[str, Mapping[int | None, Mapping[str, Scores]]]
    is_member: NDArray[np.bool_]

    def total(self, subject: str = MODEL) -> Mapping[str, Scores]:
        """Scores over all regions by attack."""
        return self.by_region[subject][None]

    def best_attack(self) -> str:
        """The attack on the model with the greatest AUC over all regions; of equal ones, the first."""
        total = self.total()
        return max(total, key=lambda name: auc(total[name][self.is_member], total[name][~self.is_member]))


def score(findings: Sequence[RegionFindings], people: People, settings: AuditSettings) -> Scoring:
    """Add up the scores over regions, and combine those of all attacks."""
    is_member = people.is_member
    by_region: dict[str, dict[int | None, dict[str, Scores]]] = {}
    for subject in SUBJECTS:
        parts: dict[int | None, dict[str, Scores]] = {part.number: dict(part.scores[subject]) for part in findings}
        names = dict.fromkeys(name for part in findings for name in part.scores[subject])
        parts[None] = {
            name: np.sum([part.scores[subject][name] for part in findings if name in part.scores[subject]], axis=0)
            for name in names
        }
        for scores in filter(None, parts.values()):  # all chosen attacks may need states, which the floor has not
            rng = np.random.default_rng(settings.seed)
            scores[NAME] = combined_scores(np.stack(list(scores.values())), is_member, rng)
        by_region[subject] = parts
    return Scoring(by_region, is_member)


def chance(scoring: Scoring, seed: int) -> Estimate:
    """The AUC that the best attack on the model would have by chance, over all regions."""
    scores = np.stack([values for name, values in scoring.total().items() if name != NAME])
    return best_auc_by_chance(scores, scoring.is_member, np.random.default_rng(seed))


def descriptions(attacks: Sequence[Attack], scoring: Scoring) -> tuple[AttackDescription, ...]:
    """The attacks that were tried on the model."""
    tried = [
        AttackDescription(attack.name, attack.title, attack.explanation, "states" in attack.needs, not attack.needs)
        for attack in attacks
        if attack.name in scoring.total()
    ]
    return (*tried, AttackDescription(NAME, TITLE, EXPLANATION, False, False))


def attack_results(scoring: Scoring, seed: int) -> tuple[AttackResult, ...]:
    """The figures of every attack on every subject, over all regions first."""
    rng = np.random.default_rng(seed)
    results = []
    for subject, parts in scoring.by_region.items():
        for region in sorted(parts, key=lambda number: -1 if number is None else number):
            for name, scores in parts[region].items():
                members, outsiders = scores[scoring.is_member], scores[~scoring.is_member]
                curve = roc_curve(members, outsiders) if region is None else ()
                results.append(AttackResult(name, subject, region, figures(members, outsiders, rng), curve))
    return tuple(results)


def distances(scoring: Scoring) -> Scores:
    """Everyone's score by the strongest attack, in standard deviations above the outsiders' mean."""
    scores = scoring.total()[scoring.best_attack()]
    return in_outsider_sds(scores, scores[~scoring.is_member])


def exposed_people(scoring: Scoring) -> tuple[ExposedPerson, ...]:
    """The members with the greatest scores."""
    distance = distances(scoring)
    members = np.sort(distance[scoring.is_member])[::-1][:MOST_EXPOSED].tolist()
    outsiders = distance[~scoring.is_member]
    return tuple(
        ExposedPerson(rank, value, int(np.count_nonzero(outsiders >= value)))
        for rank, value in enumerate(members, start=1)
    )


def score_distribution(scoring: Scoring) -> ScoreDistribution:
    """Shares of members and outsiders by distance."""
    distance = distances(scoring)
    edges = np.linspace(distance.min(), max(distance.max(), distance.min() + 1e-9), _BINS + 1)
    shares = [
        np.histogram(distance[group], edges)[0] / group.sum() for group in (scoring.is_member, ~scoring.is_member)
    ]
    return ScoreDistribution(*(tuple(values.tolist()) for values in (edges, *shares)))


def chromosome_share(span: int, n_audited: int, n_regions: int, chromosome: str | None) -> tuple[float, bool]:
    """The share of the chromosome that was audited, and whether it is known.

    By the sequence of a human autosome where the chromosome is one, else by the regions of the model.
    """
    bases = sequenced_bases(chromosome)
    return (min(1.0, span / bases), True) if bases else (n_audited / n_regions, False)


def extrapolations(
    best: Figures, span: int, n_audited: int, n_regions: int, chromosome: str | None
) -> tuple[Extrapolation, ...]:
    """What to expect of all regions of the model, and of the chromosome and the genome if it is a human autosome.

    A region of these has the mean span of the audited ones.
    """
    scopes = [("regions", float(n_audited)), ("model", float(n_regions))]
    bases = sequenced_bases(chromosome)
    if bases is not None:
        scopes += [
            (name, n_audited * max(1.0, length / span))
            for name, length in (("chromosome", bases), ("genome", AUTOSOMES_BASES))
        ]
    return tuple(extrapolated(name, best.d_prime, n_audited, number, best.d_prime_interval) for name, number in scopes)


def stretches(findings: Sequence[RegionFindings], is_member: NDArray[np.bool_]) -> ReadableStretches | None:
    """The longest stretches over all regions; None for a model without HMM."""
    rows = [part.stretch_rows for part in findings if part.stretch_rows is not None]
    cm = [part.stretch_cm for part in findings if part.stretch_cm is not None]
    if not rows:
        return None
    return readable_stretches(np.max(rows, axis=0), np.max(cm, axis=0), np.repeat(is_member, 2))


def whole_haplotypes(findings: Sequence[RegionFindings]) -> tuple[WholeStates, ...]:
    """States that are whole haplotypes, over all regions first; empty for a model without HMM."""
    found = [
        (part, part.member_carriers, part.outsider_carriers)
        for part in findings
        if part.member_carriers is not None and part.outsider_carriers is not None
    ]
    if not found:
        return ()
    members, outsiders = added_up([first for _, first, _ in found]), added_up([second for _, _, second in found])
    total = whole_states(None, sum(part.n_states for part, _, _ in found), members, outsiders)
    return (total, *(whole_states(part.number, part.n_states, first, second) for part, first, second in found))


def rebuilt_haplotypes(
    findings: Sequence[RegionFindings], is_member: NDArray[np.bool_], share: float
) -> tuple[Rebuilt, ...]:
    """What can be rebuilt, by source."""
    sources = [
        source for source in (MODEL, STATES, *SUBJECTS[1:]) if all(source in part.mismatches for part in findings)
    ]
    totals = {source: np.sum([part.mismatches[source] for part in findings], axis=0) for source in sources}
    haplotypes = np.repeat(is_member, 2)
    return tuple(rebuilt(source, total, haplotypes, share) for source, total in totals.items())


def inferred_rare_alleles(
    findings: Sequence[RegionFindings], is_member: NDArray[np.bool_], settings: AuditSettings
) -> tuple[RareAlleles, ...]:
    """How well rare alleles are inferred by the model and the controls."""
    n_sites = sum(part.n_rare_sites for part in findings)
    return tuple(
        rare_alleles(
            subject,
            np.sum([part.rare_counts[subject] for part in findings], axis=0),
            is_member,
            n_sites,
            settings.rare_maf,
            np.random.default_rng(settings.seed),
        )
        for subject in SUBJECTS
    )
