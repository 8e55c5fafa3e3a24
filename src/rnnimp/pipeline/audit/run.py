"""Audit: what a model tells about the people whom it was trained on.

1. Open the model, and choose members and outsiders (`work.py`).
2. Attack each region (`regions.py`), or take what an interrupted audit has found there (`finished_regions.py`).
3. Add up the scores, and compute the figures (`summary.py`, `assembly.py`).
4. Write all files together (`files.py`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from rnnimp.cluster.slices import format_regions
from rnnimp.errors import DataError, SettingsError
from rnnimp.pipeline.audit import summary
from rnnimp.pipeline.audit.assembly import assembled_results
from rnnimp.pipeline.audit.closeness import Closeness
from rnnimp.pipeline.audit.files import write_files
from rnnimp.pipeline.audit.finished_regions import FinishedRegions
from rnnimp.pipeline.audit.regions import RegionFindings, attack_region
from rnnimp.pipeline.audit.results import MODEL, AuditResults
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.pipeline.audit.work import AuditFiles, AuditWork, prepare_work
from rnnimp.privacy.attacks.protocol import Attack
from rnnimp.privacy.attacks.registry import ATTACKS, chosen_attacks
from rnnimp.wording import counted

logger = logging.getLogger(__name__)


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
    work = prepare_work(files, settings)
    people = work.people
    logger.info(
        "auditing %s with %d of %d members and %d outsiders (%s)",
        *(counted(len(work.regions), "region"), len(people.members), len(people.training)),
        *(people.n_outsiders, people.source),
    )
    missing = work.bundle.missing_regions
    if missing:
        logger.warning(
            "warning: the model's files lack %d of %s: %s; the audit says nothing of them",
            *(len(missing), counted(work.bundle.n_regions, "region"), format_regions(missing)),
        )
    closeness, finished = Closeness(people), FinishedRegions(work, chosen)
    parts = [_region(work, place, chosen, finished, closeness) for place in range(len(work.regions))]
    findings, seconds_before = [found for found, _ in parts], sum(seconds for _, seconds in parts)
    closeness.warn_of_relatives(work.outsider_names)
    scoring = summary.score(findings, people, settings)
    results = assembled_results(work, closeness, findings, scoring, chosen, time.monotonic() - started + seconds_before)
    write_files(files.outputs(), results, scoring, work.tested_names)
    finished.remove()
    return results


def _region(
    work: AuditWork, place: int, attacks: Sequence[Attack], finished: FinishedRegions, closeness: Closeness
) -> tuple[RegionFindings, float]:
    """What is found in a region, and the seconds of an earlier run that found it; 0 if it is attacked now."""
    kept = finished.read(place)
    found, seconds = _attack(work, place, attacks) if kept is None else kept
    closeness.add(found.same)
    try:
        closeness.refuse_same(work.outsider_names)
    except DataError:
        finished.remove()
        raise
    if kept is None:
        finished.write(place, found, seconds)
        logger.info("region %d: attacked in %.1f s", found.number, seconds)
        return found, 0.0
    logger.info("region %d: finished by the interrupted audit", found.number)
    return found, seconds


def _attack(work: AuditWork, place: int, attacks: Sequence[Attack]) -> tuple[RegionFindings, float]:
    """What is found in a region, and the seconds that it takes."""
    started = time.monotonic()
    region, panel = work.regions[place], work.panel(place)
    found = attack_region(region, panel, work.people, work.outsiders, work.genetic_map, attacks, work.settings)
    if not found.scores[MODEL]:
        needed = " and ".join(dict.fromkeys(name for attack in attacks for name in attack.needs))
        raise SettingsError(
            f"none of the chosen attacks can be tried: they need {needed}, which region {region.index} does not have; "
            "give others with --attacks"
        )
    return found, time.monotonic() - started
