"""Puts the results of an audit together."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rnnimp import __version__
from rnnimp.formats.files import sha256_of
from rnnimp.pipeline.audit import summary
from rnnimp.pipeline.audit.closeness import Closeness
from rnnimp.pipeline.audit.people import People
from rnnimp.pipeline.audit.regions import RegionFindings
from rnnimp.pipeline.audit.results import AttackDescription, AuditedModel, AuditedPeople, AuditResults
from rnnimp.pipeline.audit.sentence import sentence
from rnnimp.pipeline.audit.work import AuditWork
from rnnimp.pipeline.recipes import model_recipe
from rnnimp.privacy.attacks.protocol import Attack


def assembled_results(
    work: AuditWork,
    closeness: Closeness,
    findings: Sequence[RegionFindings],
    scoring: summary.Scoring,
    attacks: Sequence[Attack],
    seconds: float,
) -> AuditResults:
    """Everything that an audit found.

    Args:
        work: What was audited.
        closeness: What outsiders and members share.
        findings: What was found in each region.
        scoring: The scores.
        attacks: The attacks that were tried.
        seconds: Duration of the audit so far.
    """
    people, settings, model = work.people, work.settings, _audited_model(work, findings)
    results, best_attack = summary.attack_results(scoring, settings.seed), scoring.best_attack()
    best = next(result.figures for result in results if result.attack == best_attack)
    extrapolations = summary.extrapolations(best, model.span, len(work.regions), model.n_there, model.chromosome)
    stretches, whole = summary.stretches(findings, people.is_member), summary.whole_haplotypes(findings)
    share, _ = summary.chromosome_share(model.span, len(work.regions), model.n_regions, model.chromosome)
    described = summary.descriptions(attacks, scoring)
    by_chance, options = summary.chance(scoring, settings.seed), _options(work, described)
    return AuditResults(
        log_id=_log_id(model, people, options),
        log_time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions=_versions(),
        settings=options,
        model=model,
        people=_audited_people(people, closeness),
        attacks=described,
        results=results,
        best_attack=best_attack,
        chance=by_chance,
        scores=summary.score_distribution(scoring),
        exposed=summary.exposed_people(scoring),
        extrapolations=extrapolations,
        stretches=stretches,
        whole_states=whole,
        rebuilt=summary.rebuilt_haplotypes(findings, people.is_member, share),
        rare_alleles=summary.inferred_rare_alleles(findings, people.is_member, settings),
        seconds=round(seconds, 1),
        sentence=sentence(model, best_attack, best, by_chance, stretches, whole, extrapolations),
    )


def _audited_model(work: AuditWork, findings: Sequence[RegionFindings]) -> AuditedModel:
    bundle, manifest = work.bundle, work.bundle.manifest
    span = sum(part.span for part in findings)
    recipe = None if manifest is None else model_recipe(manifest)
    share, is_known = summary.chromosome_share(span, len(findings), bundle.n_regions, bundle.chromosome)
    return AuditedModel(
        name=bundle.prefix.name,
        chromosome=bundle.chromosome,
        n_regions=bundle.n_regions,
        regions=tuple(region.index for region in work.regions),
        n_sites=sum(part.n_sites for part in findings),
        span=span,
        chromosome_share=share if is_known else None,
        n_states=max(part.n_states for part in findings),
        checksums={region.model_path.name: sha256_of(region.model_path) for region in work.regions},
        rnnimp_version=None if manifest is None else manifest.rnnimp_version,
        recipe={} if manifest is None else dict(manifest.settings),
        missing_regions=bundle.missing_regions,
        recipe_name=None if recipe is None else recipe.name,
        recipe_is_named=recipe is not None and recipe.is_named,
        changed_settings={} if recipe is None else recipe.changed_settings,
    )


def _audited_people(people: People, closeness: Closeness) -> AuditedPeople:
    return AuditedPeople(
        n_training=len(people.training),
        n_members=len(people.members),
        n_outsiders=people.n_outsiders,
        outsiders=people.source,
        n_close=closeness.n_close(),
        longest_shared=closeness.longest(),
    )


def _options(work: AuditWork, attacks: Sequence[AttackDescription]) -> dict[str, Any]:
    genetic_map = work.files.genetic_map
    name = None if genetic_map is None else Path(genetic_map).name
    return {**work.settings.as_dict(), "genetic_map": name, "attacks": [attack.name for attack in attacks]}


def _log_id(model: AuditedModel, people: People, options: dict[str, Any]) -> str:
    """The same for the same model, people and settings (UUID, version 5)."""
    content = [model.checksums, people.n_samples, people.members.tolist(), people.source, people.n_outsiders, options]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(content, sort_keys=True)))


def _versions() -> dict[str, str]:
    versions = {"rnnimp": __version__, "python": platform.python_version()}
    for package in ("numpy", "numba", "torch", "onnx", "onnxruntime"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
