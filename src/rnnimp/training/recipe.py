"""Training settings and the recipes that name sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rnnimp.errors import SettingsError
from rnnimp.network.recurrent.settings import NetworkSettings

DEFAULT_SEED = 3141592653
LEAST_STATES = 16
SCHEDULES = ("halving", "cosine")
BETA1 = 0.9
"""Adam's first decay rate, in every recipe."""


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides a region's weights, apart from its data.

    The defaults are the published recipe (Kojima et al. 2020), with gradient clipping that works.

    Attributes:
        cell: One of `CELLS`, by name.
        n_units: Width of the recurrent state.
        n_layers_higher: Recurrent layers per direction of the higher-MAF network.
        n_layers_lower: The same of the lower-MAF network.
        feature_size: Width of the marker features.
        gamma_higher: Exponent of the MAF in the higher-MAF network's site weights.
        gamma_lower: The same of the lower-MAF network.
        batch_size: Haplotypes per iteration.
        max_iterations: Most iterations of each network.
        validation_samples: Samples held out for validation, at least two.
        learning_rate: Adam's highest learning rate; at the start, or after the warm-up.
        smallest_rate: Training ends when the rate falls below it.
        evaluate_every: Iterations between validations.
        patience: Iterations without improvement after which the rate is halved; the patience is then halved too.
        smallest_patience: The patience is not halved below this.
        clip_factor: Gradients longer than this multiple of the running median norm are clipped to it.
        clip_window: Iterations that the running median looks back over.
        crossovers: Crossover points in each group of three haplotypes.
        recombination_rate: Crossovers per base pair and generation.
        effective_size: Ne of the crossover probability.
        redraw_every: Iterations between new groups and crossovers.
        crossing_probability: Probability that a crossover point has a crossover.
        hidden_markers: Largest share of a training haplotype's markers that is hidden.
        n_mixed: Width of the layer that joins both directions at a gap; 0 for no such layer.
        schedule: Schedule of the learning rate: `halving` as above, or `cosine`, which falls to 0 over all iterations.
            With the cosine the last weights are kept.
        warm_up: Iterations over which the rate of the cosine rises at the start.
        weight_decay: Decoupled weight decay, as in AdamW.
        second_moment: Adam's beta2.
        longest_gradient: Gradients longer than this are clipped to it too; 0 for no such limit.
        trains_hybrid: Whether the hybrid is trained, or stays the mean of both networks' logits.
        soft_target_share: Share of the Li & Stephens model's expectation in a training target; the rest is the true
            allele.
        copying_size: Effective population size of that model.
        copying_error: Probability in that model that an allele differs from the copied one.
        n_states: Hidden states of the haplotype HMM, a power of two from 16 on; fewer if there are fewer training
            haplotypes; 0 for no HMM.
        state_pieces: Most training haplotypes that a hidden state is a mosaic of; 1 for whole haplotypes.
        state_carriers: Least number of people from whom each marker's allele of a hidden state is drawn, see
            `anonymous_haplotypes`; the state then emits at imputed sites what the Li & Stephens model expects. 0 for
            states of the panel's haplotypes, see `state_pieces`.
        n_recombined: Haplotypes of the recombined pool that is trained on in place of the panel; 0 for no pool.
        recombined_crossovers: Mean number of crossovers of a haplotype of the pool, 1 or more.
        teacher_share: Share of the training samples that the Li & Stephens model of each part of the pool, and of the
            anonymous hidden states, copies from.
        copying_iterations: Most iterations of the HMM's training; `max_iterations` is a limit too.
        copying_rate: Highest learning rate of the HMM.
        gamma_copying: Exponent of the MAF in the HMM's site weights.
        copying_hidden: `hidden_markers` in the HMM's training.
        hmm_weight: Weight of the HMM in the final log odds of a haplotype without missing markers.
        hmm_weight_missing: Added to that weight, times the share of missing markers; the sum is at most 1.
        exact_frequencies: Whether the model's legends give allele frequencies exactly. If not, each value stands for at
            least 10 allele counts. A missing allele counts as this value, in training as in imputing.
        seed: Seed of all random numbers.
    """

    cell: str = "GRU"
    n_units: int = 40
    n_layers_higher: int = 4
    n_layers_lower: int = 4
    feature_size: int = 40
    gamma_higher: float = 0.75
    gamma_lower: float = -0.75
    batch_size: int = 500
    max_iterations: int = 100_000
    validation_samples: int = 100
    learning_rate: float = 1e-2
    smallest_rate: float = 1e-6
    evaluate_every: int = 10
    patience: int = 5000
    smallest_patience: int = 100
    clip_factor: float = 5.0
    clip_window: int = 1000
    crossovers: int = 2
    recombination_rate: float = 1e-8
    effective_size: float = 1e4
    redraw_every: int = 5
    crossing_probability: float = 1.0
    hidden_markers: float = 0.0
    n_mixed: int = 0
    schedule: str = "halving"
    warm_up: int = 0
    weight_decay: float = 0.0
    second_moment: float = 0.999
    longest_gradient: float = 0.0
    trains_hybrid: bool = True
    soft_target_share: float = 0.0
    copying_size: float = 3e5
    copying_error: float = 1e-3
    n_states: int = 0
    state_pieces: int = 2
    state_carriers: int = 0
    n_recombined: int = 0
    recombined_crossovers: float = 6.0
    teacher_share: float = 1.0
    copying_iterations: int = 300
    copying_rate: float = 0.1
    gamma_copying: float = -0.5
    copying_hidden: float = 0.7
    hmm_weight: float = 0.4
    hmm_weight_missing: float = 1.0
    exact_frequencies: bool = False
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        counts = ("batch_size", "max_iterations", "copying_iterations", "state_pieces")
        periods = ("evaluate_every", "clip_window", "patience", "smallest_patience", "redraw_every")
        for name in counts + periods:
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be 1 or more, found {getattr(self, name)}")
        if self.validation_samples < 2:  # r2 is taken over samples
            raise SettingsError(f"validation_samples must be 2 or more, found {self.validation_samples}")
        positive = ("learning_rate", "smallest_rate", "clip_factor", "copying_size", "copying_rate")
        for name in positive:
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be above 0, found {getattr(self, name)}")
        shares = ("crossing_probability", "hidden_markers", "soft_target_share", "second_moment")
        for name in (*shares, "copying_hidden", "hmm_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} must be between 0 and 1, found {getattr(self, name)}")
        if not 0 < self.teacher_share <= 1:
            raise SettingsError(f"teacher_share must be above 0 and at most 1, found {self.teacher_share}")
        if self.recombined_crossovers < 1:
            raise SettingsError(f"recombined_crossovers must be 1 or more, found {self.recombined_crossovers}")
        if self.n_recombined and self.teacher_share == 1:
            raise SettingsError(
                "teacher_share must be below 1 for a recombined pool: others than the teachers recombine"
            )
        if not 0 < self.copying_error < 1:
            raise SettingsError(f"copying_error must be above 0 and below 1, found {self.copying_error}")
        for name in (
            "warm_up", "weight_decay", "longest_gradient", "state_carriers", "n_recombined", "hmm_weight_missing",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} must be 0 or more, found {getattr(self, name)}")
        if self.schedule not in SCHEDULES:
            raise SettingsError(f"schedule must be {' or '.join(SCHEDULES)}, found '{self.schedule}'")
        if self.n_states and (self.n_states < LEAST_STATES or self.n_states & (self.n_states - 1)):
            raise SettingsError(f"n_states must be 0 or a power of two from 16 on, found {self.n_states}")
        if self.seed < 0:
            raise SettingsError(f"the seed must be 0 or more, found {self.seed}")
        self.network(self.n_layers_higher)
        self.network(self.n_layers_lower)

    def network(self, n_layers: int) -> NetworkSettings:
        """The settings of a network with this number of layers."""
        return NetworkSettings(self.cell, self.n_units, n_layers, self.feature_size, self.n_mixed)

    def hmm_settings(self) -> TrainingSettings:
        """The settings of the haplotype HMM's training: its own learning rate and length, along a cosine."""
        return replace(
            self,
            learning_rate=self.copying_rate,
            max_iterations=min(self.copying_iterations, self.max_iterations),
            schedule="cosine",
            warm_up=50,
            weight_decay=0.0,
            hidden_markers=self.copying_hidden,
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON can hold them."""
        return asdict(self)


ACCURATE = TrainingSettings(
    n_units=48,
    gamma_higher=0.25,
    gamma_lower=-0.75,
    max_iterations=7_000,
    learning_rate=6e-3,
    evaluate_every=40,  # a checkpoint can follow; 40 iterations take about a minute on a CPU core
    crossing_probability=0.3,
    redraw_every=1,
    hidden_markers=0.06,
    n_mixed=64,
    n_states=2048,
    schedule="cosine",
    warm_up=200,
    weight_decay=0.05,
    second_moment=0.98,
    longest_gradient=1.0,
    trains_hybrid=False,
    soft_target_share=0.5,
    state_carriers=50,
    teacher_share=0.3,
    hmm_weight=0.1,
    hmm_weight_missing=1.5,
)
"""The recipe that the experiments of docs/experiments.md led to, with anonymous hidden states."""

PROTECTED = replace(
    ACCURATE,
    max_iterations=1_000,
    crossing_probability=0.0,  # the pool is recombined already
    soft_target_share=1.0,
    n_states=0,
    n_recombined=60_000,
    recombined_crossovers=6.0,
    teacher_share=0.6,
)
"""The recipe for panels that are not public: no haplotype of a person is trained on, and there is no HMM."""

OPEN = replace(
    ACCURATE, n_states=4096, state_carriers=0, state_pieces=1, teacher_share=1.0, copying_iterations=100,
    hmm_weight=0.5, hmm_weight_missing=1.0,
)  # fmt: skip
"""The recipe for panels that everyone may read."""


@dataclass(frozen=True)
class Recipe:
    """A recipe as a user chooses it.

    Attributes:
        settings: The values of all settings.
        summary: What the recipe is, for lists of recipes.
        disclosure: What its models tell about the people in the panel. `rnnimp train` reports it first.
    """

    settings: TrainingSettings
    summary: str
    disclosure: str


RECIPES = {
    "accurate": Recipe(
        ACCURATE,
        "recurrent networks, and a haplotype HMM with anonymous states: each allele is drawn from many people",
        "its states are copied from nobody and match members hardly longer than outsiders, but the networks have "
        "learned the people: from 6 regions (3% of chromosome 22) of a panel of 2,304 people, 70 of 100 members were "
        "recognised when 1 of 100 outsiders was recognised by mistake (AUC 0.99)",
    ),
    "protected": Recipe(
        PROTECTED,
        "recurrent networks, trained briefly on recombined haplotypes and the alleles that other people lead to expect",
        "its models are less accurate and reveal less, but are not anonymous: from 6 regions (3% of chromosome 22) of "
        "a panel of 2,304 people, 5 of 100 members were recognised when 1 of 100 outsiders was recognised by mistake "
        "(AUC 0.61); over the whole chromosome expect about half of them, and over a genome all",
    ),
    "open": Recipe(
        OPEN,
        "as accurate, with more states, each a whole haplotype of a region",
        "its models contain readable haplotypes of the panel, whole within a region: for public panels only; from 6 "
        "regions (3% of chromosome 22) 100 of 100 members were recognised when 1 of 100 outsiders was recognised by "
        "mistake (AUC 1.00)",
    ),
    "published": Recipe(
        TrainingSettings(),
        "the recurrent networks of the published program",
        "its models contain no haplotypes, but the networks have learned the people: after only 2,000 iterations, from "
        "6 regions (3% of chromosome 22) of a panel of 2,304 people, 17 of 100 members were recognised when 1 of 100 "
        "outsiders was recognised by mistake (AUC 0.85); longer training reveals more",
    ),
}
"""The recipes by name; the first is the default of `rnnimp train`. docs/explanation/privacy.md has the figures."""

_TELL_NOTHING = ("seed", "validation_samples")
"""Settings that do not change what a model tells."""


def disclosure(name: str, settings: TrainingSettings, shown: Mapping[str, str]) -> tuple[str, ...]:
    """Lines that say what models of a recipe tell about the panel's people, and which settings differ from it.

    Args:
        name: Name of the recipe.
        settings: Settings of the training.
        shown: The settings to compare, and the name of each in the message.
    """
    recipe = RECIPES[name]
    first = f"recipe {name}: {recipe.disclosure}"
    changed = [
        shown_name
        for field, shown_name in shown.items()
        if field not in _TELL_NOTHING and getattr(settings, field) != getattr(recipe.settings, field)
    ]
    if not changed:
        return (first,)
    return first, f"this training differs from the recipe in {', '.join(changed)}; its models may tell more or less"
