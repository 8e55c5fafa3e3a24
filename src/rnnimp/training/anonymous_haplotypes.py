"""Anonymous haplotypes, of which each allele is drawn from many people of a panel who carry the alleles before it.

A haplotype is drawn marker by marker. Its *carriers* are the panel's haplotypes that have the same alleles from some
marker, the start of the stretch, up to here. The next allele is that of a carrier drawn at random. Where fewer people
than wanted carry the stretch with that allele, its start moves forward until enough do. So at every marker, what was
drawn since the start of the stretch is shared by at least that many people. An allele that fewer carry at all is never
drawn.

Stretches can follow one another as in one person by chance: a longer part of the haplotype may be carried by fewer
people, down to one. Only where that makes the whole haplotype one that fewer people have, another is drawn.

The carriers are an interval of the positional Burrows-Wheeler transform (Durbin 2014,
doi:10.1093/bioinformatics/btu014), which sorts haplotypes by their alleles read backwards from a marker.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Alleles = NDArray[np.int8]
_NOWHERE = np.int32(1 << 30)
_MOST_ROUNDS = 20


def anonymous_haplotypes(markers: Alleles, count: int, least_people: int, rng: np.random.Generator) -> Alleles:
    """Draw haplotypes, each allele from `least_people` people or more, and none that fewer people have as a whole.

    Args:
        markers: The panel, int8 (n_markers, n_haplotypes); 2i and 2i + 1 are one person's; -1 for missing, which counts
            as the more frequent allele.
        count: How many to draw.
        least_people: Least number of people who carry the alleles before the one that is drawn, as far back as so many
            do; all people if there are fewer.
        rng: Draws the carriers.

    Returns:
        int8 (n_markers, count), 0 or 1.
    """
    common = (np.count_nonzero(markers == 1, axis=1) > np.count_nonzero(markers == 0, axis=1))[:, None]
    known = np.where(markers < 0, common, markers).astype(np.int8)
    least = min(least_people, markers.shape[1] // 2)
    is_rare = known != common
    n_carriers = np.count_nonzero(is_rare[:, ::2] | is_rare[:, 1::2], axis=1)[:, None]
    known = np.where(n_carriers < least, common, known).astype(np.int8)
    past = _sorted_by_past(known)
    carriers = _people_by_haplotype(known)
    kept: list[Alleles] = []
    n_missing = count
    for _ in range(_MOST_ROUNDS):
        drawn = _draw(known, *past, n_missing, least, rng)
        is_kept = [not 0 < len(carriers.get(haplotype.tobytes(), ())) < least for haplotype in drawn.T]
        kept.append(drawn[:, is_kept])
        n_missing -= sum(is_kept)
        if not n_missing:
            break
    found = np.concatenate(kept, axis=1)
    if not found.shape[1]:  # few people: no haplotype but theirs has such stretches
        frequency = known.mean(axis=1, keepdims=True)
        one_by_one: Alleles = (rng.random((len(known), count)) < frequency).astype(np.int8)
        return one_by_one
    return np.concatenate([found, found[:, rng.integers(found.shape[1], size=n_missing)]], axis=1)


def _people_by_haplotype(markers: Alleles) -> dict[bytes, set[int]]:
    """The people who have each haplotype of the panel, by its bytes."""
    people: dict[bytes, set[int]] = {}
    for number, haplotype in enumerate(markers.T):
        people.setdefault(haplotype.tobytes(), set()).add(number // 2)
    return people


@numba.njit(cache=True, nogil=True)
def _sorted_by_past(markers):  # type: ignore[no-untyped-def]
    """The transform, at each marker and behind the last.

    Returns:
        order, int32 (n_markers + 1, n): haplotypes sorted by the alleles before the marker, read backwards;
        divergence, int32 (n_markers + 1, n + 1): the first marker from which a haplotype agrees with the one before it
        in that order, and `_NOWHERE` at both ends;
        ones, int32 (n_markers, n + 1): how many before a place carry a1 at the marker.
    """
    n_markers, n = markers.shape
    order = np.empty((n_markers + 1, n), dtype=np.int32)
    divergence = np.full((n_markers + 1, n + 1), _NOWHERE, dtype=np.int32)
    ones = np.zeros((n_markers, n + 1), dtype=np.int32)
    order[0] = np.arange(n)
    divergence[0, 1:n] = 0
    for marker in range(n_markers):
        n_refs = n - np.sum(markers[marker] == 1)
        ends = np.array([0, n_refs])  # where the next carrier of each allele goes
        starts = np.array([_NOWHERE, _NOWHERE])  # from where it agrees with the last one of its allele
        for place in range(n):
            haplotype = order[marker, place]
            allele = markers[marker, haplotype]
            ones[marker, place + 1] = ones[marker, place] + allele
            if place > 0:
                for either in range(2):
                    starts[either] = max(starts[either], divergence[marker, place])
            order[marker + 1, ends[allele]] = haplotype
            if ends[allele] != 0:
                is_first = ends[allele] == n_refs and allele == 1
                divergence[marker + 1, ends[allele]] = marker + 1 if is_first else starts[allele]
            ends[allele] += 1
            starts[allele] = 0
    return order, divergence, ones


@numba.njit(cache=True, nogil=True)
def _draw(markers, order, divergence, ones, count, least, rng):  # type: ignore[no-untyped-def]
    """Draw `count` haplotypes; the arguments are those of `_sorted_by_past` and its results."""
    n_markers, n = markers.shape
    drawn = np.empty((n_markers, count), dtype=np.int8)
    seen = np.zeros(n // 2, dtype=np.int64)  # the last count in which a person was met
    n_counts = 0
    for number in range(count):
        low, high = 0, n
        for marker in range(n_markers):
            place = low + min(int(rng.random() * (high - low)), high - low - 1)
            allele = markers[marker, order[marker, place]]
            drawn[marker, number] = allele
            if allele == 1:
                n_refs = n - ones[marker, n]
                low, high = n_refs + ones[marker, low], n_refs + ones[marker, high]
            else:
                low, high = low - ones[marker, low], high - ones[marker, high]
            while True:
                n_counts += 1
                if _has_people(order[marker + 1], low, high, least, seen, n_counts):
                    break
                low, high = _widened(divergence[marker + 1], low, high)
    return drawn


@numba.njit(cache=True, nogil=True)
def _has_people(order, low, high, least, seen, count):  # type: ignore[no-untyped-def]
    """Whether the haplotypes at the places from `low` on, before `high`, are those of `least` people or more."""
    if high - low >= 2 * least - 1:
        return True
    n_people = 0
    for place in range(low, high):
        person = order[place] // 2
        if seen[person] != count:
            seen[person] = count
            n_people += 1
    return n_people >= least


@numba.njit(cache=True, nogil=True)
def _widened(divergence, low, high):  # type: ignore[no-untyped-def]
    """The interval with all that share the next shorter stretch."""
    start = min(divergence[low], divergence[high])
    while low > 0 and divergence[low] <= start:
        low -= 1
    while high < len(divergence) - 1 and divergence[high] <= start:
        high += 1
    return low, high
