"""Audit: what a model tells about the people whom it was trained on.

1. Open the model, and choose members and outsiders.
2. Attack each region (`regions.py`).
3. Add up the scores, and compute the figures (`summary.py`).
4. Write all files together.
"""

from __future__ import annotations

import json
import logging
import platform
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from rnnimp import __version__
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.bundle import Bundle, BundleRegion, bundle_files, open_bundle
from rnnimp.formats.files import AtomicGroup, sha256_of
from rnnimp.formats.genetic_map import GeneticMap, read_genetic_map
from rnnimp.formats.tables import write_table
from rnnimp.pipeline.audit import summary
from rnnimp.pipeline.audit.files import ENDINGS, FIGURE_COLUMNS, figure_rows, json_text, private_columns, private_rows
from rnnimp.pipeline.audit.outsiders import Outsiders, outsider_files, read_names, read_outsiders, refuse_members
from rnnimp.pipeline.audit.people import Closeness, People, choose_people
from rnnimp.pipeline.audit.regions import RegionFindings, attack_region, read_training_panel
from rnnimp.pipeline.audit.results import AuditedModel, AuditedPeople, AuditResults
from rnnimp.pipeline.audit.sentence import sentence
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.pipeline.train.run import read_data_list
from rnnimp.privacy.attacks.protocol import Attack
from rnnimp.privacy.attacks.registry import ATTACKS, chosen_attacks
from rnnimp.sites.panel import Panel, default_sample_names
from rnnimp.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditFiles:
    """The files of an audit.

    Attributes:
        model_prefix: Prefix of the model.
        data_list: List of the regions' training files.
        output_prefix: Prefix of the files to write.
        outsiders: VCF, BCF or HAPS/LEGEND prefix of people outside the panel; None for those held out.
        sample: Names of the samples of the training files; None if not given.
        genetic_map: Genetic map; None for 1 cM per million base pairs.
    """

    model_prefix: str
    data_list: str
    output_prefix: str
    outsiders: str | None = None
    sample: str | None = None
    genetic_map: str | None = None

    def outputs(self) -> list[str]:
        """All files that are written."""
        return [f"{self.output_prefix}.{ending}" for ending in ENDINGS]


def audit(files: AuditFiles, settings: AuditSettings, attacks: Sequence[Attack] = ATTACKS) -> AuditResults:
    """Audit a model, and write what was found.

    Args:
        files: Files to read and write.
        settings: Settings of the audit.
        attacks: The attacks to choose from.

    Raises:
        DataError: if files do not belong together or outsiders are members.
        SettingsError: for options that contradict each other, or too few outsiders.
    """
    started = time.monotonic()
    chosen = chosen_attacks(settings.attacks, attacks)
    require_output_name(files.output_prefix, "--output")
    prefixes = read_data_list(files.data_list)
    check_outputs(files.outputs(), _inputs(files, prefixes))
    bundle = open_bundle(files.model_prefix)
    regions = _chosen_regions(bundle, settings.regions, len(prefixes))
    genetic_map = None if files.genetic_map is None else read_genetic_map(files.genetic_map, bundle.chromosome)
    first = read_training_panel(prefixes[regions[0].index - 1], regions[0])
    n_samples = len(first.sample_names)
    names = read_names(files.sample, n_samples)
    outsiders = _outsiders(files, bundle, regions, names)
    n_given = None if outsiders is None else len(outsiders.panel.sample_names)
    source = "" if outsiders is None else Path(outsiders.path).name
    people = choose_people(
        bundle, n_samples, settings.members, n_given, source, settings.seed, settings.allow_few_outsiders
    )
    logger.info(
        "auditing %s with %d of %d members and %d outsiders (%s)",
        *(counted(len(regions), "region"), len(people.members), len(people.training)),
        *(people.n_outsiders, people.source),
    )
    closeness = Closeness(people)
    findings = _attack_all(regions, prefixes, first, people, outsiders, closeness, genetic_map, chosen, settings)
    all_names = names or default_sample_names(n_samples)
    outsider_names = (
        [all_names[index] for index in people.held_out] if outsiders is None else outsiders.panel.sample_names
    )
    closeness.check(outsider_names)
    scoring = summary.score(findings, people, settings)
    results = _results(bundle, regions, people, closeness, findings, scoring, chosen, settings, started)
    _write(files, results, scoring, people, all_names, outsider_names)
    return results


def _inputs(files: AuditFiles, prefixes: Sequence[str]) -> list[str | Path | None]:
    training = [f"{prefix}.{ending}" for prefix in prefixes for ending in ("hap.gz", "legend.gz")]
    others = [] if files.outsiders is None else outsider_files(files.outsiders)
    return [
        *bundle_files(files.model_prefix),
        *(files.data_list, files.sample, files.genetic_map),
        *training,
        *others,
    ]


def _chosen_regions(bundle: Bundle, numbers: Sequence[int] | None, n_listed: int) -> list[BundleRegion]:
    """The regions to audit, in order of their number."""
    known = {region.index: region for region in bundle.regions}
    if max(known) > n_listed:
        raise DataError(
            f"expected training files of all {max(known)} regions in the data list, found {n_listed}; give the list "
            "that the model was trained with",
            bundle.prefix,
        )
    absent = [number for number in numbers or () if number not in known]
    if absent:
        raise SettingsError(f"--regions names region {absent[0]}, which the model does not have")
    return [known[number] for number in sorted(set(numbers or known))]


def _outsiders(
    files: AuditFiles, bundle: Bundle, regions: Sequence[BundleRegion], names: tuple[str, ...] | None
) -> Outsiders | None:
    if files.outsiders is None:
        return None
    positions = np.unique(np.concatenate([region.sites.positions for region in regions]))
    outsiders = read_outsiders(files.outsiders, bundle.chromosome, positions)
    refuse_members(outsiders, names)
    return outsiders


def _attack_all(
    regions: Sequence[BundleRegion],
    prefixes: Sequence[str],
    first: Panel,
    people: People,
    outsiders: Outsiders | None,
    closeness: Closeness,
    genetic_map: GeneticMap | None,
    attacks: Sequence[Attack],
    settings: AuditSettings,
) -> list[RegionFindings]:
    findings = []
    for region in regions:
        started = time.monotonic()
        prefix = prefixes[region.index - 1]
        panel = first if region is regions[0] else read_training_panel(prefix, region)
        if len(panel.sample_names) != people.n_samples:
            raise DataError(
                f"expected {people.n_samples} samples as in the first region, found {len(panel.sample_names)}",
                f"{prefix}.hap.gz",
            )
        found = attack_region(region, panel, people, outsiders, closeness, genetic_map, attacks, settings)
        findings.append(found)
        logger.info("region %d: attacked in %.1f s", region.index, time.monotonic() - started)
    return findings


def _results(
    bundle: Bundle,
    regions: Sequence[BundleRegion],
    people: People,
    closeness: Closeness,
    findings: Sequence[RegionFindings],
    scoring: summary.Scoring,
    attacks: Sequence[Attack],
    settings: AuditSettings,
    started: float,
) -> AuditResults:
    model = _audited_model(bundle, regions, findings)
    results = summary.attack_results(scoring, settings.seed)
    best_attack = scoring.best_attack()
    best = next(result.figures for result in results if result.attack == best_attack)
    span, n_regions, chromosome = model.span, model.n_regions, model.chromosome
    share, _ = summary.chromosome_share(span, len(regions), n_regions, chromosome)
    extrapolations = summary.extrapolations(best.d_prime, span, len(regions), n_regions, chromosome)
    stretches = summary.stretches(findings, people.is_member)
    described = summary.descriptions(attacks, scoring)
    options = {**settings.as_dict(), "attacks": [attack.name for attack in described]}
    return AuditResults(
        log_id=_log_id(model, people, options),
        log_time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        versions=_versions(),
        settings=options,
        model=model,
        people=AuditedPeople(
            n_training=len(people.training),
            n_members=len(people.members),
            n_outsiders=people.n_outsiders,
            outsiders=people.source,
            n_close=closeness.n_close(),
            longest_shared=closeness.longest(),
        ),
        attacks=described,
        results=results,
        best_attack=best_attack,
        scores=summary.score_distribution(scoring),
        exposed=summary.exposed_people(scoring),
        extrapolations=extrapolations,
        stretches=stretches,
        rebuilt=summary.rebuilt_haplotypes(findings, people.is_member, share),
        rare_alleles=summary.inferred_rare_alleles(findings, people.is_member, settings),
        seconds=round(time.monotonic() - started, 1),
        sentence=sentence(model, best_attack, best, stretches, extrapolations),
    )


def _audited_model(bundle: Bundle, regions: Sequence[BundleRegion], findings: Sequence[RegionFindings]) -> AuditedModel:
    span = sum(part.span for part in findings)
    share, is_known = summary.chromosome_share(span, len(regions), bundle.n_regions, bundle.chromosome)
    manifest = bundle.manifest
    return AuditedModel(
        name=bundle.prefix.name,
        chromosome=bundle.chromosome,
        n_regions=bundle.n_regions,
        regions=tuple(region.index for region in regions),
        n_sites=sum(part.n_sites for part in findings),
        span=span,
        chromosome_share=share if is_known else None,
        n_states=max(part.n_states for part in findings),
        checksums={region.model_path.name: sha256_of(region.model_path) for region in regions},
        rnnimp_version=None if manifest is None else manifest.rnnimp_version,
        recipe={} if manifest is None else dict(manifest.settings),
    )


def _log_id(model: AuditedModel, people: People, options: dict[str, object]) -> str:
    """The same for the same model, people and settings (UUID, version 5)."""
    content = [model.checksums, people.n_samples, people.members.tolist(), people.source, people.n_outsiders, options]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(content, sort_keys=True)))


def _versions() -> dict[str, str]:
    versions = {"rnnimp": __version__, "python": platform.python_version()}
    for package in ("numpy", "numba", "torch", "onnx", "onnxruntime"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _write(
    files: AuditFiles,
    results: AuditResults,
    scoring: summary.Scoring,
    people: People,
    names: Sequence[str],
    outsider_names: Sequence[str],
) -> None:
    """Write all files, which take their names together."""
    content, table, private = files.outputs()
    with AtomicGroup() as group:
        group.open(content).write(json_text(results).encode())
        write_table(group.open(table), FIGURE_COLUMNS, figure_rows(results))
        write_table(group.open(private), private_columns(scoring), private_rows(scoring, people, names, outsider_names))
