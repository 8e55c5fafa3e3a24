"""The results of an audit, as plain values: everything that the JSON file, the page and the model card show.

No member is named here, and no member's score is here with a name. Names are in the private table only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from rnnimp.pipeline.recipes import ModelRecipe
from rnnimp.privacy.figures import Estimate, Extrapolation, Figures
from rnnimp.privacy.rare_alleles import RareAlleles
from rnnimp.privacy.reconstruction import ReadableStretches, Rebuilt
from rnnimp.privacy.whole_states import WholeStates

FORMAT = "rnnimp-audit"
FORMAT_VERSION = 1

MODEL, FLOOR, CEILING = "model", "floor", "ceiling"
"""What is attacked: the model, and two controls that the same attacks see."""

SUBJECTS = (MODEL, FLOOR, CEILING)

HELD_OUT = "held out for validation"
"""Source of the outsiders where none were given."""

STATES = "states"
"""Source of rebuilt haplotypes: the states of the haplotype HMM."""


@dataclass(frozen=True)
class AuditedModel:
    """The model that was audited.

    Attributes:
        name: Name of the model's files without folders and numbers.
        chromosome: Name of the chromosome; None if not known.
        n_regions: Regions of the model, with those that its files lack.
        regions: Numbers of the audited regions, in order.
        n_sites: Imputed sites of the audited regions.
        span: Base pairs that the audited regions' imputed sites span, without the gaps between regions.
        chromosome_share: Share of the chromosome's sequence that this is; None if its length is not known.
        n_states: States of the largest haplotype HMM; 0 if the model has none.
        checksums: SHA-256 of each audited model file, by its name.
        rnnimp_version: Version that trained the model; None for models without a manifest.
        recipe: Settings of the training, by name; empty for models without a manifest.
        recipe_name: Name of the recipe; None for models without a manifest.
        recipe_is_named: Whether the manifest names the recipe; otherwise it is the one that is closest to the settings.
        changed_settings: For each setting that differs from the recipe, the value in the `model` and in the `recipe`.
        missing_regions: Numbers of the regions that the model should have and that its files lack.
    """

    name: str
    chromosome: str | None
    n_regions: int
    regions: tuple[int, ...]
    n_sites: int
    span: int
    chromosome_share: float | None
    n_states: int
    checksums: dict[str, str]
    rnnimp_version: str | None
    recipe: dict[str, Any]
    missing_regions: tuple[int, ...] = ()
    recipe_name: str | None = None
    recipe_is_named: bool = False
    changed_settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def recipe_text(self) -> str:
        """The recipe in a few words."""
        if self.recipe_name is None:
            return "not known"
        return str(ModelRecipe(self.recipe_name, self.changed_settings, self.recipe_is_named))

    @property
    def n_there(self) -> int:
        """Regions that exist in the model's files."""
        return self.n_regions - len(self.missing_regions)


@dataclass(frozen=True)
class AuditedPeople:
    """The people whom the attacks were tried on.

    Attributes:
        n_training: People whom the model was trained on.
        n_members: Members that were tested: all of these, or a random choice.
        n_outsiders: Outsiders that were tested.
        outsiders: Source of the outsiders: `held out for validation`, or the name of the file.
        n_close: Outsiders for whom this share is 0.9 or more: they may be relatives of a member, or the same person.
            One or two regions cannot tell that.
        longest_shared: Largest share of the audited rows, from 0 to 1, in which a haplotype of an outsider equals one
            of a training sample. Only regions in which they are wholly equal count.
    """

    n_training: int
    n_members: int
    n_outsiders: int
    outsiders: str
    n_close: int
    longest_shared: float


@dataclass(frozen=True)
class AttackDescription:
    """One attack.

    Attributes:
        name: Name of the attack, as in the option `--attacks`.
        title: What it does, a few words.
        explanation: What it does, one or two sentences.
        needs_hmm: Whether it needs a haplotype HMM; if so, it is left out for models without one.
        only_queries: Whether it only lets the model impute. Others read its files, or do both.
    """

    name: str
    title: str
    explanation: str
    needs_hmm: bool
    only_queries: bool


@dataclass(frozen=True)
class AttackResult:
    """The figures of one attack on the model or a control, in one region or added up over all.

    Attributes:
        attack: Name of the attack.
        subject: One of `SUBJECTS`.
        region: Number of the region; None for all audited regions together.
        figures: AUC, share of members found, distance.
        roc: Points (false alarms, members found) of the ROC curve; empty for single regions.
    """

    attack: str
    subject: str
    region: int | None
    figures: Figures
    roc: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class ScoreDistribution:
    """The distribution of the strongest attack's scores over all audited regions.

    Attributes:
        edges: Edges of the bins, in standard deviations from the outsiders' mean; one more than there are bins.
        members: Share of the members in each bin.
        outsiders: Share of the outsiders in each bin.
    """

    edges: tuple[float, ...]
    members: tuple[float, ...]
    outsiders: tuple[float, ...]


@dataclass(frozen=True)
class ExposedPerson:
    """One of the most exposed members, without a name.

    Attributes:
        rank: From 1, the most exposed.
        distance: Score of the strongest attack, in standard deviations above the outsiders' mean.
        outsiders_above: Outsiders whose score is as great or greater.
    """

    rank: int
    distance: float
    outsiders_above: int


@dataclass(frozen=True)
class AuditResults:
    """Everything that an audit found.

    Attributes:
        log_id: Identifies the audit; the same for the same model, people and settings.
        log_time: When the audit ended, ISO 8601 in UTC.
        versions: Versions of the programs and libraries, by name; rnnimp first.
        settings: Settings of the audit, by option.
        model: The model.
        people: The people.
        attacks: The attacks that were tried, in order; the last one, `combined`, joins the others.
        results: Figures of each attack on the model and the controls, over all regions and in each.
        best_attack: Name of the attack with the greatest AUC on the model over all regions.
        chance: AUC that the best of the attacks has by chance, where membership has nothing to do with the scores.
        scores: Distribution of the best attack's scores.
        exposed: The most exposed members, in order.
        extrapolations: What to expect of the audited regions, the model, the chromosome and a genome.
        stretches: What can be read in the HMM's states; None for a model without HMM.
        whole_states: States that are a whole haplotype of a person, over all audited regions first, then in each; empty
            for a model without HMM.
        rebuilt: The share of haplotypes that can be rebuilt, by source.
        rare_alleles: Inference of rare alleles by the model and the controls.
        seconds: Duration of the audit, in seconds.
        sentence: The result in plain words, for a data access committee.
    """

    log_id: str
    log_time: str
    versions: dict[str, str]
    settings: dict[str, Any]
    model: AuditedModel
    people: AuditedPeople
    attacks: tuple[AttackDescription, ...]
    results: tuple[AttackResult, ...]
    best_attack: str
    chance: Estimate
    scores: ScoreDistribution
    exposed: tuple[ExposedPerson, ...]
    extrapolations: tuple[Extrapolation, ...]
    stretches: ReadableStretches | None
    whole_states: tuple[WholeStates, ...]
    rebuilt: tuple[Rebuilt, ...]
    rare_alleles: tuple[RareAlleles, ...]
    seconds: float
    sentence: str
    format: str = field(default=FORMAT)
    format_version: int = field(default=FORMAT_VERSION)

    def over_all(self, attack: str, subject: str = MODEL) -> Figures | None:
        """The figures of an attack over all audited regions; None if it was not tried on this subject."""
        found = [
            result.figures
            for result in self.results
            if (result.attack, result.subject, result.region) == (attack, subject, None)
        ]
        return found[0] if found else None

    def best(self) -> Figures:
        """The figures of the strongest attack on the model over all audited regions."""
        best = self.over_all(self.best_attack)
        assert best is not None
        return best

    def is_beyond_chance(self) -> bool:
        """Whether the strongest attack is better than the best of as many attacks is by chance (97.5%)."""
        return is_beyond_chance(self.best(), self.chance)

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON file: plain values; numbers that are not finite are None."""
        content: dict[str, Any] = _plain(asdict(self))
        content["attack_results"] = {
            f"{attack.name}_{self.log_id[:8]}": _plain(self._attack_log(attack)) for attack in self.attacks
        }
        return content

    def _attack_log(self, attack: AttackDescription) -> dict[str, Any]:
        """One attack on the model, laid out and named as in the reports of SACRO-ML 2.0.1."""
        result = self.over_all(attack.name)
        assert result is not None
        metrics: dict[str, Any] = {"AUC": result.auc.value, "AUC_interval": [result.auc.low, result.auc.high]}
        for rate, estimate in result.tpr.items():
            metrics[f"TPR@{100 * rate:g}%"] = estimate.value
            metrics[f"TPR@{100 * rate:g}%_interval"] = [estimate.low, estimate.high]
        metrics |= {"n_pos_test_examples": result.n_members, "n_neg_test_examples": result.n_outsiders}
        metadata = {
            "rnnimp_version": self.versions.get("rnnimp"),
            "attack_name": attack.title,
            "attack_params": self.settings,
            "target_model": self.model.name,
            "target_train_params": self.model.recipe,
            "global_metrics": {},
        }
        return {
            "log_id": self.log_id,
            "log_time": self.log_time,
            "metadata": metadata,
            "attack_experiment_logger": {"attack_instance_logger": {"instance_0": metrics}},
        }


def is_beyond_chance(best: Figures, chance: Estimate) -> bool:
    """Whether the strongest attack's AUC is above the interval of what the best attack has by chance."""
    return (best.auc.value or 0) > (chance.high or 0)


def _plain(value: Any) -> Any:
    """Values that JSON has: names are texts, tuples are lists, numbers that are not finite are None."""
    if isinstance(value, dict):
        return {f"{key:g}" if isinstance(key, float) else str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
