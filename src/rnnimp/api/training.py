"""Training models, and measuring what they tell. Both need the extra `train`, which brings PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnimp.api.model import Model, as_model, load_model
from rnnimp.api.training_bar import NoDisplay, TrainingBar
from rnnimp.choices import AUDIT_SEED, AUDITED_MEMBERS, RARE_MAF
from rnnimp.errors import SettingsError, needs_training_packages
from rnnimp.training.recipe import RECIPES, TrainingSettings, disclosure

if TYPE_CHECKING:
    from rnnimp.pipeline.audit.results import AuditResults
    from rnnimp.pipeline.train.region_state import RegionState

DEFAULT_RECIPE = next(iter(RECIPES))


def train(
    data_list: str | Path,
    output: str | Path,
    *,
    recipe: str = DEFAULT_RECIPE,
    genetic_map: str | Path | None = None,
    regions: Sequence[int] | None = None,
    resume: bool = True,
    threads: int = 1,
    device: str = "auto",
    engine: str = "auto",
    chromosome: str | None = None,
    progress: bool = False,
    **settings: Any,
) -> Model:
    """Train the model of each region, or resume an interrupted training.

    A model tells something about the people in its panel; how much depends on the recipe. What is known of the recipe
    is logged first.

    Args:
        data_list: The list of regions that `split` returned.
        output: Prefix of the files to write; with `results/chr22` the model is `results/models/chr22`.
        recipe: Name of the recipe: `accurate`, `protected`, `open` or `published`.
        genetic_map: Genetic map of the chromosome. None for 1 cM per million base pairs.
        regions: Numbers of the regions to train, from 1. None for all.
        resume: Whether to keep finished regions and resume from checkpoints.
        threads: CPU threads.
        device: `auto`, `cpu` or `cuda`.
        engine: `auto`, `reference` or `fused`.
        chromosome: Name of the chromosome. None detects it from the ids.
        progress: Whether to show a bar, in a notebook or a terminal.
        settings: Settings that differ from the recipe, by their names in the table of recipes, such as `n_units=40`.

    Returns:
        The model, of the regions that are finished.

    Raises:
        RnnimpError: for bad data or settings, or if the training of a region failed.
        TypeError: for a setting that does not exist.
    """
    chosen = _settings(recipe, settings)
    with needs_training_packages("training"):
        from rnnimp.pipeline.train.files import model_prefix
        from rnnimp.pipeline.train.run import train as run
        from rnnimp.pipeline.train.work import TrainOptions
    options = TrainOptions(
        regions=None if regions is None else tuple(regions),
        device=device,
        engine=engine,
        resume=resume,
        n_threads=threads,
        chromosome=chromosome,
        genetic_map=None if genetic_map is None else str(genetic_map),
        disclosure=disclosure(recipe, chosen, {item.name: item.name for item in fields(chosen)}),
        recipe=recipe,
    )
    shown: AbstractContextManager[NoDisplay | TrainingBar] = TrainingBar() if progress else NoDisplay()
    with shown as display:
        run(data_list, output, chosen, options, display)
    return load_model(model_prefix(output))


def status(output: str | Path) -> list[RegionState]:
    """Look how far a training is, region by region; also one that another process or a cluster runs.

    Args:
        output: The `output` of `train`.

    Returns:
        One per region, with its `number`; its `state`, whose `value` is `waiting`, `running`, `finished`, `failed` or
        `lost`; its `progress` while it runs; and its `validation_r2`.

    Raises:
        RnnimpError: if there is no training under the prefix.
    """
    from rnnimp.pipeline.train.status import read_status

    return read_status(output)


def _settings(recipe: str, changes: dict[str, Any]) -> TrainingSettings:
    if recipe not in RECIPES:
        raise SettingsError(f"recipe must be {' or '.join(RECIPES)}, found {recipe}")
    return replace(RECIPES[recipe].settings, **changes)


def audit(
    model: Model | str | Path,
    data_list: str | Path,
    output: str | Path,
    *,
    outsiders: str | Path | None = None,
    sample: str | Path | None = None,
    genetic_map: str | Path | None = None,
    regions: Sequence[int] | None = None,
    members: int = AUDITED_MEMBERS,
    attacks: Sequence[str] | None = None,
    rare_maf: float = RARE_MAF,
    allow_few_outsiders: bool = False,
    threads: int = 1,
    seed: int = AUDIT_SEED,
) -> AuditResults:
    """Measure what a model reveals about the people in its panel.

    Args:
        model: From `load_model` or `train`, or the prefix of its files.
        data_list: The list of regions that it was trained with.
        output: Prefix of the files to write. `.private.tsv` names people and is not for publication.
        outsiders: Phased haplotypes of people who are not in the panel. None takes those held out for validation.
        sample: Names of the training files' samples.
        genetic_map: Genetic map of the chromosome. None for 1 cM per million base pairs.
        regions: Numbers of the regions to audit. None for all.
        members: Most members to test, drawn at random.
        attacks: Names of the attacks. None for all.
        rare_maf: Largest minor allele frequency of a rare allele.
        allow_few_outsiders: Whether to audit with fewer than 100 outsiders.
        threads: CPU threads.
        seed: Seed of all random choices.

    Returns:
        Everything that was found; `sentence` is the result in plain words.

    Raises:
        RnnimpError: if files do not belong together, or there are too few outsiders.
    """
    with needs_training_packages("auditing"):
        from rnnimp.pipeline.audit.run import audit as run
        from rnnimp.pipeline.audit.settings import AuditSettings
        from rnnimp.pipeline.audit.work import AuditFiles
    settings = AuditSettings(
        members=members,
        regions=None if regions is None else tuple(regions),
        attacks=None if attacks is None else tuple(attacks),
        rare_maf=rare_maf,
        allow_few_outsiders=allow_few_outsiders,
        threads=threads,
        seed=seed,
    )
    others = (None if path is None else str(path) for path in (outsiders, sample, genetic_map))
    return run(AuditFiles(str(as_model(model).prefix), str(data_list), str(output), *others), settings)
