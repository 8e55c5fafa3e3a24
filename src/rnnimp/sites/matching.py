"""Matches the sites of a target to the sites of a model, by position and alleles, never by position only.

Each target site takes the first model site that fits, in this order:

1. The same alleles.
2. The same alleles the other way round (`swapped`). This excludes indels if both files define which allele is the
   reference's, because an insertion and a deletion at one position are two sites.
3. For a monomorphic array site, whose ALT is `0` or `.`: a free marker of the model that has its REF as either allele.
   If the markers are not known, it is a free SNP, because an array has no reason to type an indel there.
4. Alleles on the other strand. These are only counted, because a flip of the target corrects them, not a guess.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.panel import Sites
from rnnimp.wording import counted

UNKNOWN_ALLELES = ("0", ".")
"""How arrays write the ALT of a site where every sample carries REF."""

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
"""The base on the other strand."""


def allele_key(a0: str, a1: str) -> tuple[str, str]:
    """A key that two records of one position share if they are the same site.

    Alleles of one length are the same site either way round. Others are not: `A AT` inserts a base, `AT A` deletes one.

    >>> allele_key("A", "G") == allele_key("G", "A"), allele_key("A", "AT") == allele_key("AT", "A")
    (True, False)
    """
    return (a1, a0) if len(a0) == len(a1) and a1 < a0 else (a0, a1)


class MatchKind(IntEnum):
    """The result of matching one target site."""

    MATCHED = 0
    SWAPPED = 1
    STRAND_FLIPPED = 2
    MISMATCHED = 3
    NOT_IN_MODEL = 4


@dataclass(frozen=True)
class MatchCounts:
    """The figures a user needs to judge a target against a model.

    Attributes:
        matched: Target sites with a model site of the same alleles in the same order.
        swapped: The same with the alleles the other way round.
        strand_flipped: Target sites that would fit on the other strand; not used.
        mismatched: Target sites whose position the model has with other alleles only; not used.
        not_in_model: Target sites at positions that the model does not have.
        missing: Model markers that no target site matches.
        observed_markers: Model markers that one does.
    """

    matched: int
    swapped: int
    strand_flipped: int
    mismatched: int
    not_in_model: int
    missing: int
    observed_markers: int


@dataclass(frozen=True, eq=False)
class SiteMatch:
    """A target's sites found in a model; no target site and no model site is used twice.

    Attributes:
        target_index: The target site of each model site, int64 (n_model_sites,); -1 where there is none.
        is_swapped: True where the target's a0 is the model's a1, bool (n_model_sites,).
        kinds: A `MatchKind` each, int8 (n_target_sites,).
    """

    target_index: NDArray[np.int64]
    is_swapped: NDArray[np.bool_]
    kinds: NDArray[np.int8]

    def counts(self, is_marker: NDArray[np.bool_]) -> MatchCounts:
        """Totals, given which of the model's sites are markers, bool (n_model_sites,)."""
        matched, swapped, flipped, mismatched, absent = np.bincount(self.kinds, minlength=len(MatchKind)).tolist()
        observed = int(np.count_nonzero(is_marker & (self.target_index >= 0)))
        missing = int(np.count_nonzero(is_marker)) - observed
        return MatchCounts(matched, swapped, flipped, mismatched, absent, missing, observed)

    def take(self, rows: NDArray[np.int64]) -> SiteMatch:
        """The match of some target sites only, int64 (n_rows,), rising. They are numbered from 0.

        >>> match = SiteMatch(np.array([2, -1, 0]), np.zeros(3, bool), np.array([0, 4, 1], np.int8))
        >>> match.take(np.array([1, 2])).target_index.tolist()
        [1, -1, -1]
        """
        new_rows = np.full(len(self.kinds) + 1, -1, dtype=np.int64)  # the last one is for -1
        new_rows[rows] = np.arange(len(rows))
        target_index = new_rows[self.target_index]
        return SiteMatch(target_index, self.is_swapped & (target_index >= 0), self.kinds[rows])


def match_sites(target: Sites, model: Sites) -> SiteMatch:
    """Find each target site among a model's sites.

    Args:
        target: Sites in any order; `0` or `.` as a1 means that only a0 was seen.
        model: Sites in any order, each once.

    Returns:
        The match; see `SiteMatch`.

    >>> model = Sites.build([10, 20, 30], ["A", "C", "G"], ["G", "T", "C"])
    >>> match = match_sites(Sites.build([10, 20, 25], ["A", "T", "G"], ["G", "C", "C"]), model)
    >>> match.target_index.tolist(), match.is_swapped.tolist()
    ([0, 1, -1], [False, True, False])
    """
    matcher = _Matcher(target, model)
    known = np.flatnonzero(np.isin(target.positions, model.positions)).tolist()
    monomorphic = [row for row in known if target.a1[row] in UNKNOWN_ALLELES]
    # better matches come first, so that no other site can take their place
    polymorphic = [row for row in known if target.a1[row] not in UNKNOWN_ALLELES]
    for row in [row for row in polymorphic if not matcher.match_same(row)]:
        matcher.match(row)
    for row in monomorphic:
        matcher.match_by_ref(row)
    return SiteMatch(matcher.target_index, matcher.is_swapped, matcher.kinds)


def match_again(match: SiteMatch, target: Sites, model: Sites, rows: NDArray[np.int64]) -> SiteMatch:
    """Update a match after the alleles of some target sites have changed.

    Only sites at the positions of the changed ones are matched again: what is matched at one position does not depend
    on any other.

    Args:
        match: Match of the target before the change, and the model.
        target: The target with the new alleles; the positions are as before.
        model: The sites that were matched.
        rows: The target sites that have changed, int64.

    Returns:
        The same as `match_sites(target, model)`.
    """
    changed = np.unique(target.positions[rows])
    target_rows = np.flatnonzero(np.isin(target.positions, changed))
    model_rows = np.flatnonzero(np.isin(model.positions, changed))
    part = match_sites(target[target_rows], model[model_rows])
    target_index, is_swapped, kinds = match.target_index.copy(), match.is_swapped.copy(), match.kinds.copy()
    target_index[model_rows] = np.where(part.target_index < 0, -1, target_rows[part.target_index])
    is_swapped[model_rows] = part.is_swapped
    kinds[target_rows] = part.kinds
    return SiteMatch(target_index, is_swapped, kinds)


def no_marker_text(n_markers: int, n_mismatched: int, n_flipped: int) -> str:
    """The message for a target that has no marker of the model; see `MatchCounts`."""
    return (
        f"expected sites of the target among the model's {counted(n_markers, 'marker')}, found none with their "
        f"position and alleles ({n_mismatched} with other alleles, {n_flipped} on the other strand); check chromosome "
        "and genome build"
    )


class _Matcher:
    """The state of one matching: what is taken, and what is known so far."""

    def __init__(self, target: Sites, model: Sites) -> None:
        self._target, self._model = target, model
        self.target_index = np.full(len(model), -1, dtype=np.int64)
        self.is_swapped = np.zeros(len(model), dtype=bool)
        self.kinds = np.full(len(target), MatchKind.NOT_IN_MODEL, dtype=np.int8)
        self._reference, self._knows_reference = reference_alleles(model)
        self._by_position: dict[int, list[int]] = defaultdict(list)
        for row in np.flatnonzero(np.isin(model.positions, target.positions)).tolist():
            self._by_position[int(model.positions[row])].append(row)

    def match_same(self, row: int) -> bool:
        """Place a target site that has both its alleles at a model site with the same in the same order."""
        return self._take(row, self._target.a0[row], self._target.a1[row], MatchKind.MATCHED)

    def match(self, row: int) -> None:
        """Place a target site that has both its alleles, and that `match_same` could not."""
        a0, a1 = self._target.a0[row], self._target.a1[row]
        if self._take(row, a1, a0, MatchKind.SWAPPED):
            return
        flipped = {COMPLEMENT.get(a0), COMPLEMENT.get(a1)}
        candidates = self._by_position[int(self._target.positions[row])]
        is_flipped = any({self._model.a0[site], self._model.a1[site]} == flipped for site in candidates)
        self.kinds[row] = MatchKind.STRAND_FLIPPED if is_flipped else MatchKind.MISMATCHED

    def match_by_ref(self, row: int) -> None:
        """Place a target site of which only a0 was seen, at what an array may type: a marker, SNPs before indels."""
        ref = self._target.a0[row]
        candidates = [
            site
            for site in self._by_position[int(self._target.positions[row])]
            if ref in (self._model.a0[site], self._model.a1[site]) and self._may_be_typed(site)
        ]
        candidates.sort(key=lambda site: not self._is_snp(site))
        for site in candidates:
            kind = MatchKind.MATCHED if self._model.a0[site] == ref else MatchKind.SWAPPED
            if self._take(row, self._model.a0[site], self._model.a1[site], kind):
                return
        self.kinds[row] = MatchKind.MISMATCHED

    def _may_be_typed(self, site: int) -> bool:
        return self._is_snp(site) if self._model.is_marker is None else bool(self._model.is_marker[site])

    def _is_snp(self, site: int) -> bool:
        return len(self._model.a0[site]) == len(self._model.a1[site]) == 1

    def _take(self, row: int, a0: str, a1: str, kind: MatchKind) -> bool:
        """Claim the free model site with these alleles, if there is one."""
        for site in self._by_position[int(self._target.positions[row])]:
            is_same = self._model.a0[site] == a0 and self._model.a1[site] == a1
            if self.target_index[site] < 0 and is_same and not self._is_other_indel(row, site):
                self.target_index[site] = row
                self.is_swapped[site] = kind == MatchKind.SWAPPED
                self.kinds[row] = kind
                return True
        return False

    def _is_other_indel(self, row: int, site: int) -> bool:
        """Whether a target site inserts what a model site deletes, or the other way round."""
        a0, a1 = self._target.a0[row], self._target.a1[row]
        if not self._target.has_reference or len(a0) == len(a1) or a1 in UNKNOWN_ALLELES:
            return False
        return bool(self._knows_reference[site] and self._reference[site] != a0)


def reference_alleles(model: Sites) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Find the allele of each model site that is REF in the model's training data.

    The command `split` may exchange the alleles of markers, and says so in `swapped`. Sites that are imputed are never
    exchanged.

    Returns:
        The allele, object (n_sites,), strings; and whether it is known, bool (n_sites,).
    """
    if model.has_reference or model.is_marker is None:
        return model.a0, np.full(len(model), model.has_reference)
    if model.swapped is None:
        return model.a0, ~model.is_marker
    return np.where(model.is_marker & model.swapped, model.a1, model.a0), np.ones(len(model), dtype=np.bool_)


def complete_alleles(target: Sites, model: Sites, match: SiteMatch) -> NDArray[np.object_]:
    """The target's a1 with `0` and `.` replaced by the other allele of the model site that was matched.

    Returns:
        object (n_target_sites,), strings.
    """
    a1 = target.a1.copy()
    for site in np.flatnonzero(match.target_index >= 0).tolist():
        row = match.target_index[site]
        if a1[row] in UNKNOWN_ALLELES:
            a1[row] = model.a0[site] if match.is_swapped[site] else model.a1[site]
    return a1
