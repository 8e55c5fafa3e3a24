"""What programs tell that impute from the panel itself: the loss attacks of `rnnimp audit` on what they impute.

Members find themselves in the panel. The attacker sees the probabilities of the alleles that the program gives for the
person's own markers, as a user of an imputation server does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import panel_imputers
from accuracy.panel_imputers import Study
from numpy.typing import NDArray

from privacy.inputs import Inputs
from rnnimp.errors import DataError
from rnnimp.formats.vcf.records import RecordReader
from rnnimp.pipeline.audit.copying_model import CopyingModel, copied_samples
from rnnimp.privacy.attacks.loss import LossAttack, RelativeLossAttack
from rnnimp.privacy.combined import NAME, combined_scores
from rnnimp.privacy.figures import Figures, Scores, figures
from rnnimp.privacy.region import AuditedRegion, Floats
from rnnimp.sites.panel import Panel, SiteKey, haplotype_columns

ATTACKS = (LossAttack(), RelativeLossAttack())

Imputed = dict[SiteKey, Floats]
"""P(a1) on each haplotype, float32 (n_haplotypes,), by site."""


def panel_leaks(inputs: Inputs, study: Study, folder: Path, threads: int, seed: int) -> dict[str, dict[str, Figures]]:
    """The figures of each attack on each program, added up over all regions.

    Args:
        inputs: The regions and the people.
        study: The reference panel; members are in it.
        folder: Folder to impute in.
        threads: Threads of the attacks.
        seed: Seed of all random numbers.
    """
    imputed = {}
    target, everyone = folder / "tested.vcf.gz", inputs.tested()
    everyone.write(target, np.flatnonzero(everyone.panel.sites.markers()))
    for program, run in panel_imputers.PANEL_IMPUTERS.items():
        output = folder / f"tested.{program}.vcf.gz"
        run(replace(study, by_haplotype=True), target, output)
        imputed[program] = read_haplotypes(output)
    scores = attack_scores(inputs, imputed, threads, seed)
    return {program: _figures(found, inputs.people.is_member, seed) for program, found in scores.items()}


def read_haplotypes(path: Path) -> Imputed:
    """Read `HDS`, or `AP1` and `AP2`, of each site; a haplotype's place is that in the target."""
    reader, found = RecordReader(path), Imputed()
    for record in reader.records():
        pairs = record.numbers("HDS")
        if pairs is None:
            first, second = record.numbers("AP1"), record.numbers("AP2")
            if first is None or second is None:
                continue  # Beagle gives none for typed sites
            pairs = np.hstack([first, second])
        found[record.POS, record.REF, record.ALT[0]] = np.ascontiguousarray(pairs.reshape(-1), dtype=np.float32)
    return found


def attack_scores(
    inputs: Inputs, imputed: Mapping[str, Imputed], threads: int, seed: int
) -> dict[str, dict[str, Scores]]:
    """Each program's scores by attack, added up over a person's haplotypes and all regions, float64 (n_people,).

    Args:
        inputs: The regions and the people.
        imputed: What each program imputes for members and those held out, in this order.
        threads: Threads of the attacks.
        seed: Seed of the choice of those whom the reference copies, and of the combination.
    """
    parts: dict[str, list[dict[str, Scores]]] = {program: [] for program in imputed}
    for panel in inputs.regions.values():
        region = _without_model(inputs, panel, threads, seed)
        sites = panel.sites[~region.is_marker].keys()
        for program, probabilities in imputed.items():
            audited = replace(region, expected=_at(probabilities, sites, program))
            parts[program].append(
                {attack.name: attack.scores(audited, threads).reshape(-1, 2).sum(axis=1) for attack in ATTACKS}
            )
    return {program: _added_up(found, inputs.people.is_member, seed) for program, found in parts.items()}


def _without_model(inputs: Inputs, panel: Panel, threads: int, seed: int) -> AuditedRegion:
    """What the loss attacks need of a region; the reference stands for the model's probabilities."""
    people, is_marker = inputs.people, panel.sites.markers()
    tested = haplotype_columns(np.concatenate([people.members, people.held_out]))
    alleles, map_cm = panel.alleles[:, tested], inputs.genetic_map.at(panel.sites.positions)
    chosen, own = copied_samples(len(people.training), people.own, seed)
    copied = panel.alleles[:, haplotype_columns(people.training[chosen])]
    reference = CopyingModel(copied, is_marker, map_cm, own.repeat(2), threads).reference(alleles)
    unused = np.full(alleles.shape, np.nan, np.float32)
    return AuditedRegion(
        alleles=alleles,
        is_marker=is_marker,
        map_cm=map_cm,
        expected=reference,
        reference=reference,
        reference_likelihood=unused[0].astype(np.float64),
        frequencies=None,
        other_frequencies=unused,
        states=None,
    )


def _at(imputed: Imputed, sites: Sequence[SiteKey], program: str) -> Floats:
    """P(a1), float32 (n_sites, n_haplotypes)."""
    absent = [site for site in sites if site not in imputed]
    if absent:
        position, ref, alt = absent[0]
        raise DataError(
            f"expected allele probabilities of all {len(sites)} sites from {program}, found none of {len(absent)}, "
            f"such as {position} {ref}>{alt}; check its output"
        )
    return np.stack([imputed[site] for site in sites])


def _added_up(parts: Sequence[Mapping[str, Scores]], is_member: NDArray[np.bool_], seed: int) -> dict[str, Scores]:
    total: dict[str, Scores] = {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}
    combined = combined_scores(np.stack(list(total.values())), is_member, np.random.default_rng(seed))
    return {**total, NAME: combined}


def _figures(scores: Mapping[str, Scores], is_member: NDArray[np.bool_], seed: int) -> dict[str, Figures]:
    rng = np.random.default_rng(seed)
    return {name: figures(found[is_member], found[~is_member], rng) for name, found in scores.items()}
