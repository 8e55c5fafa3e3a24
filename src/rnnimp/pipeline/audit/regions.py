"""One region of an audit: read, imputed for everyone who is tested, and attacked.

The steps for one region:

1. Read the training files, and the outsiders at the same rows.
2. Run the model, and the Li & Stephens model with and without the person, for everyone who is tested.
3. Read the states of the model's haplotype HMM, if it has one.
4. Run the attacks on the model and on both controls, and measure what can be rebuilt.

Only sums per person are kept, so that memory does not grow with the number of regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.formats.bundle import BundleRegion
from rnnimp.formats.genetic_map import CM_PER_BASE, GeneticMap
from rnnimp.imputation.engines.choice import load_engine
from rnnimp.imputation.engines.model_graph import read_graph
from rnnimp.imputation.region_runs import RegionTask, run_regions
from rnnimp.network.hmm.weights import ODDS_STEP
from rnnimp.pipeline.audit.closeness import SameHaplotypes, same_haplotypes
from rnnimp.pipeline.audit.copying_model import CopyingModel, copied_samples
from rnnimp.pipeline.audit.outsiders import Outsiders
from rnnimp.pipeline.audit.people import People
from rnnimp.pipeline.audit.results import CEILING, FLOOR, MODEL, STATES
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.privacy import controls
from rnnimp.privacy.attacks.protocol import Attack
from rnnimp.privacy.attacks.states import state_alleles
from rnnimp.privacy.copying import longest_matches
from rnnimp.privacy.figures import Scores
from rnnimp.privacy.rare_alleles import count_rare_alleles
from rnnimp.privacy.reconstruction import best_guess_mismatches, best_state_mismatches
from rnnimp.privacy.region import AuditedRegion, Floats
from rnnimp.privacy.whole_states import Carriers, carriers
from rnnimp.sites.panel import MISSING, Panel, haplotype_columns


@dataclass(frozen=True, eq=False)
class RegionFindings:
    """What the attacks found in one region.

    Attributes:
        number: Number of the region.
        n_sites: Imputed sites.
        span: Base pairs that they span.
        n_states: States of the haplotype HMM; 0 if there is none.
        scores: For each subject and attack, float64 (n_people,).
        mismatches: For each source, wrong alleles of each haplotype, int64 (n_haplotypes,).
        stretch_rows: Longest stretch of each haplotype in a state, in rows, int64 (n_haplotypes,); None without HMM.
        stretch_cm: The same in cM, float64 (n_haplotypes,).
        member_carriers: Who of all people trained on carries a state as a whole haplotype; None without HMM.
        outsider_carriers: The same of the outsiders.
        same: Which haplotypes of outsiders and of people trained on are the same.
        rare_counts: For each subject, what `count_rare_alleles` gives.
        n_rare_sites: Imputed sites with a rare allele.
    """

    number: int
    n_sites: int
    span: int
    n_states: int
    scores: dict[str, dict[str, Scores]]
    mismatches: dict[str, NDArray[np.int64]]
    stretch_rows: NDArray[np.int64] | None
    stretch_cm: NDArray[np.float64] | None
    member_carriers: Carriers | None
    outsider_carriers: Carriers | None
    same: SameHaplotypes
    rare_counts: dict[str, NDArray[np.float64]]
    n_rare_sites: int


def attack_region(
    region: BundleRegion,
    panel: Panel,
    people: People,
    outsiders: Outsiders | None,
    genetic_map: GeneticMap | None,
    attacks: Sequence[Attack],
    settings: AuditSettings,
) -> RegionFindings:
    """Run all attacks in one region.

    Args:
        region: Region of the model.
        panel: Its training files.
        people: Who is tested.
        outsiders: Outsiders of a file of their own; None for those held out.
        genetic_map: Genetic map; None for 1 cM per million base pairs.
        attacks: The attacks to run.
        settings: Settings of the audit.
    """
    training = panel.alleles[:, haplotype_columns(people.training)]
    alleles = _tested_alleles(region, panel, people, outsiders)
    positions = region.sites.positions
    map_cm = (positions * CM_PER_BASE).astype(np.float64) if genetic_map is None else genetic_map.at(positions)
    copying = _copying_model(training, region, map_cm, people, settings)
    audited = _audited(region, alleles, map_cm, people, copying, settings.threads)
    ceiling = controls.ceiling(audited, copying.with_own(alleles, audited.reference), copying.states())
    subjects = {MODEL: audited, FLOOR: controls.floor(audited), CEILING: ceiling}
    scores = {name: _scores(subject, attacks, settings.threads) for name, subject in subjects.items()}
    return _findings(region, subjects, scores, training, people, settings)


def _tested_alleles(
    region: BundleRegion, panel: Panel, people: People, outsiders: Outsiders | None
) -> NDArray[np.int8]:
    """Alleles of members and outsiders, int8 (n_rows, n_haplotypes).

    What an outsider of a file lacks is made missing in members too, one outsider's for each member in turn. A missing
    allele surprises no attack, so the outsiders would look like members.
    """
    members = panel.alleles[:, haplotype_columns(people.members)]
    if outsiders is None:
        return np.hstack([members, panel.alleles[:, haplotype_columns(people.held_out)]])
    others = outsiders.at(region.sites)
    in_turn = np.arange(members.shape[1]) % others.shape[1]
    members[others[:, in_turn] < 0] = MISSING
    return np.hstack([members, others])


def _copying_model(
    training: NDArray[np.int8],
    region: BundleRegion,
    map_cm: NDArray[np.float64],
    people: People,
    settings: AuditSettings,
) -> CopyingModel:
    chosen, own = copied_samples(len(people.training), people.own, settings.seed)
    copied = training[:, haplotype_columns(chosen)]
    return CopyingModel(copied, region.sites.markers(), map_cm, own.repeat(2), settings.threads)


def _audited(
    region: BundleRegion,
    alleles: NDArray[np.int8],
    map_cm: NDArray[np.float64],
    people: People,
    copying: CopyingModel,
    threads: int,
) -> AuditedRegion:
    sites = region.sites
    return AuditedRegion(
        alleles=alleles,
        is_marker=sites.markers(),
        map_cm=map_cm,
        expected=imputed(region, alleles[sites.markers()], threads),
        reference=copying.reference(alleles),
        reference_likelihood=copying.reference_likelihood(alleles),
        frequencies=None if sites.a1_freq is None else np.nan_to_num(sites.a1_freq, nan=0.5),
        other_frequencies=_other_frequencies(alleles, np.repeat(people.is_member, 2)),
        states=read_states(region),
    )


def imputed(region: BundleRegion, markers: NDArray[np.int8], threads: int) -> Floats:
    """P(a1) that a model gives at its sites.

    Args:
        region: Region of the model.
        markers: Alleles at its markers, int8 (n_markers, n_haplotypes).
        threads: Threads to run on.

    Returns:
        float32 (n_sites, n_haplotypes).
    """
    known = region.sites.a1_freq
    frequencies = np.full(len(markers), np.nan) if known is None else known[region.marker_rows]
    is_wanted = np.ones(len(region.imputed_rows), np.bool_)
    task = RegionTask(lambda: load_engine(region), lambda: markers, frequencies, is_wanted)
    (result,) = run_regions([task], threads)
    return result.rows(slice(None))


def read_states(region: BundleRegion) -> Floats | None:
    """The log odds that the states of a model's haplotype HMM emit.

    Returns:
        float32 (n_rows, n_states), in the order of the legend; None if the model has no HMM.
    """
    stored = read_graph(region).state_odds()
    if stored is None:
        return None
    emission, site = stored
    states = np.empty((len(region.sites), emission.shape[1]), np.float32)
    states[region.marker_rows] = emission * np.float32(ODDS_STEP)
    states[region.imputed_rows] = site * np.float32(ODDS_STEP)
    return states


def _other_frequencies(alleles: NDArray[np.int8], is_member: NDArray[np.bool_]) -> Floats:
    """Frequencies among the other half of the outsiders, float32 (n_rows, n_haplotypes).

    The halves are every second outsider. Every second member is compared with each half too. So within a half, members
    and outsiders have the same reference, which has seen neither. A reference that leaves out only the person would
    make outsiders with common alleles look rarer than members.

    Args:
        alleles: int8 (n_rows, n_haplotypes); -1 for missing.
        is_member: Of each haplotype's person, bool (n_haplotypes,).
    """
    half = np.empty(len(is_member), dtype=np.intp)
    for group in (is_member, ~is_member):
        half[group] = np.arange(np.count_nonzero(group)) // 2 % 2
    frequency = np.empty(alleles.shape, dtype=np.float32)
    for number in (0, 1):
        others = alleles[:, ~is_member & (half != number)]
        carried, known = np.count_nonzero(others == 1, axis=1), np.count_nonzero(others >= 0, axis=1)
        frequency[:, half == number] = ((carried + 0.5) / (known + 1))[:, None]
    return frequency


def _scores(region: AuditedRegion, attacks: Sequence[Attack], threads: int) -> dict[str, Scores]:
    """Scores of people by attack; of those attacks that have what they need."""
    return {
        attack.name: attack.scores(region, threads).reshape(-1, 2).sum(axis=1)
        for attack in attacks
        if all(getattr(region, name) is not None for name in attack.needs)
    }


def _findings(
    region: BundleRegion,
    subjects: Mapping[str, AuditedRegion],
    scores: dict[str, dict[str, Scores]],
    training: NDArray[np.int8],
    people: People,
    settings: AuditSettings,
) -> RegionFindings:
    audited = subjects[MODEL]
    alleles, is_site = audited.site_alleles, ~audited.is_marker
    panel_counts = np.stack([np.count_nonzero(training[is_site] == allele, axis=1) for allele in (0, 1)], axis=1)
    outsiders = audited.alleles[:, 2 * len(people.members) :]
    mismatches = {name: best_guess_mismatches(alleles, subject.expected) for name, subject in subjects.items()}
    rows = cm = of_members = of_outsiders = None
    if audited.states is not None:
        states = state_alleles(audited.states)
        mismatches[STATES] = best_state_mismatches(alleles, states[is_site])
        rows, cm = longest_matches(audited.alleles, states, audited.map_cm, settings.threads)
        of_members = carriers(states, training)
        of_outsiders = carriers(states, outsiders)
    rare = {
        name: count_rare_alleles(alleles, subject.expected, panel_counts, people.is_member, settings.rare_maf)
        for name, subject in subjects.items()
    }
    positions = region.sites.positions[is_site]
    return RegionFindings(
        number=region.index,
        n_sites=len(positions),
        span=int(positions[-1] - positions[0]) + 1,
        n_states=0 if audited.states is None else audited.states.shape[1],
        scores=scores,
        mismatches=mismatches,
        stretch_rows=rows,
        stretch_cm=cm,
        member_carriers=of_members,
        outsider_carriers=of_outsiders,
        same=same_haplotypes(outsiders, training),
        rare_counts=rare,
        n_rare_sites=int(np.count_nonzero(panel_counts.min(axis=1) <= settings.rare_maf * panel_counts.sum(axis=1))),
    )
