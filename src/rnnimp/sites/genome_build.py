"""Detects the genome build: by a chromosome's length, by positions behind its end, and by a shift of positions.

A target of one build matches a model of another only by chance. The positions differ by a number of base pairs that is
constant over megabases. A search for such a shift therefore distinguishes another build from another array.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.panel import Sites

_CHROMOSOMES = (*(str(number) for number in range(1, 23)), "X", "Y")
_LENGTHS = {
    "NCBI36": (
        247249719, 242951149, 199501827, 191273063, 180857866, 170899992, 158821424, 146274826, 140273252, 135374737,
        134452384, 132349534, 114142980, 106368585, 100338915, 88827254, 78774742, 76117153, 63811651, 62435964,
        46944323, 49691432, 154913754, 57772954,
    ),
    "GRCh37": (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431, 135534747,
        135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248, 59128983, 63025520,
        48129895, 51304566, 155270560, 59373566,
    ),
    "GRCh38": (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422,
        135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167,
        46709983, 50818468, 156040895, 57227415,
    ),
    "T2T-CHM13v2": (
        248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331, 150617247, 134758134,
        135127769, 133324548, 113566686, 101161492, 99753195, 96330374, 84276897, 80542538, 61707364, 66210255,
        45090682, 51324926, 154259566, 62460029,
    ),
}  # fmt: skip
"""Lengths of the assemblies' chromosomes in base pairs, as their FASTA indexes give them."""

_PSEUDOAUTOSOMAL_ENDS = {
    "NCBI36": (2709520, 154584238),
    "GRCh37": (2699520, 154931044),
    "GRCh38": (2781479, 155701383),
    "T2T-CHM13v2": (2394410, 153925835),
}
"""Last position of chrX's first pseudoautosomal region and first position of the second, by build.

GRCh37 and GRCh38: the Genome Reference Consortium's table of regions. NCBI36: UCSC's description of hg18. T2T-CHM13v2:
the consortium's `chm13v2.0_PAR.bed`. The outer ends are those of the chromosome.
"""

_UCSC_NAMES = {"NCBI36": "hg18", "GRCh37": "hg19", "GRCh38": "hg38"}
"""Names in the chain files that UCSC offers."""

_WINDOW_SITES = 200
_N_WINDOWS = 5
_LARGEST_SHIFT = 10_000_000
_LEAST_HITS = 10
_LEAST_SHARE = 0.25


def build_of_length(chromosome: str, length: int) -> str | None:
    """The build in which a chromosome has this length.

    Returns:
        `NCBI36`, `GRCh37`, `GRCh38` or `T2T-CHM13v2`; None for a length, or a chromosome, that none of them has.

    >>> build_of_length("chr22", 51304566), build_of_length("22", 50818468)
    ('GRCh37', 'GRCh38')
    """
    return next((build for build, known in _lengths_of(chromosome).items() if known == length), None)


def possible_builds(chromosome: str | None, last_position: int) -> tuple[str, ...]:
    """The builds in which a chromosome reaches to a position; all of them where the chromosome is not known.

    >>> possible_builds("22", 51_244_237)
    ('GRCh37', 'T2T-CHM13v2')
    """
    lengths = {} if chromosome is None else _lengths_of(chromosome)
    return tuple(build for build in _LENGTHS if lengths.get(build, last_position) >= last_position)


def once_in_males(build: str) -> tuple[int, int]:
    """First and last position of the part of chrX that males have once, between the pseudoautosomal regions.

    Args:
        build: One of `BUILDS`.

    >>> once_in_males("GRCh37"), once_in_males("GRCh38")
    ((2699521, 154931043), (2781480, 155701382))
    """
    first, second = _PSEUDOAUTOSOMAL_ENDS[build]
    return first + 1, second - 1


def liftover_command(target: Collection[str], model: Collection[str]) -> str | None:
    """A command of CrossMap that brings a target to a model's build, with the file names of UCSC.

    Args:
        target: Builds that the target may have.
        model: Builds that the model may have.

    Returns:
        The command; None if the builds do not suggest one pair of NCBI36, GRCh37 and GRCh38.

    >>> liftover_command(["GRCh38"], ["GRCh37", "T2T-CHM13v2"])
    'CrossMap vcf hg38ToHg19.over.chain.gz TARGET.vcf.gz hg19.fa LIFTED.vcf'
    """
    common = set(target) & set(model)
    sources, goals = ([build for build in _UCSC_NAMES if build in of and build not in common] for of in (target, model))
    if len(sources) != 1 or len(goals) != 1:
        return None
    source, goal = _UCSC_NAMES[sources[0]], _UCSC_NAMES[goals[0]]
    return f"CrossMap vcf {source}To{goal.capitalize()}.over.chain.gz TARGET.vcf.gz {goal}.fa LIFTED.vcf"


def contigs_of(build: str, like: str) -> tuple[tuple[str, int], ...]:
    """Names and lengths in base pairs of chromosomes 1 to 22, X and Y of a build.

    Args:
        build: One of `BUILDS`.
        like: Name of a chromosome; the others have `chr` before their names if it has.

    >>> contigs_of("GRCh37", "22")[21], contigs_of("GRCh38", "chr22")[0]
    (('22', 51304566), ('chr1', 248956422))
    """
    start = like[:3] if like.lower().startswith("chr") else ""
    return tuple((f"{start}{name}", length) for name, length in zip(_CHROMOSOMES, _LENGTHS[build], strict=True))


def _lengths_of(chromosome: str) -> dict[str, int]:
    name = plain_chromosome(chromosome).upper()
    if name not in _CHROMOSOMES:
        return {}
    column = _CHROMOSOMES.index(name)
    return {build: lengths[column] for build, lengths in _LENGTHS.items()}


@dataclass(frozen=True)
class Shift:
    """A difference of positions at which many of a target's SNPs meet SNPs of the same alleles in a model.

    Attributes:
        base_pairs: The model's position less the target's; not 0.
        n_sites: SNPs that meet.
        n_tried: SNPs that were looked at.
    """

    base_pairs: int
    n_sites: int
    n_tried: int


def find_shift(target: Sites, model: Sites) -> Shift | None:
    """Look for the shift between two builds in windows of 200 consecutive SNPs of the target.

    A shift is accepted if a quarter of a window's SNPs, and at least ten of them, meet at it. By chance fewer than
    one in ten million shifts bring ten of a dense model's sites together.

    Args:
        target: Sites in order of position.
        model: Sites in any order.

    Returns:
        The shift at which most SNPs meet, at most 10 Mb either way; None if no shift but 0 is believable.
    """
    target_positions, target_pairs = _snps(target)
    model_positions, model_pairs = _snps(model)
    order = np.argsort(model_positions, kind="stable")
    model_positions, model_pairs = model_positions[order], model_pairs[order]
    n_window = min(_WINDOW_SITES, len(target_positions))
    best: Shift | None = None
    for start in np.unique(np.linspace(0, len(target_positions) - n_window, _N_WINDOWS).astype(int)).tolist():
        window = slice(start, start + n_window)
        positions = target_positions[window]
        reach = [positions[0] - _LARGEST_SHIFT, positions[-1] + _LARGEST_SHIFT] if n_window else [0, 0]
        near = slice(*np.searchsorted(model_positions, reach).tolist())
        differences = _differences(positions, target_pairs[window], model_positions[near], model_pairs[near])
        if not differences.size:
            continue
        shifts, hits = np.unique(differences, return_counts=True)
        top = int(np.argmax(hits))
        found = Shift(int(shifts[top]), int(hits[top]), n_window)
        is_believable = found.n_sites >= max(_LEAST_HITS, _LEAST_SHARE * n_window)
        if is_believable and (best is None or found.n_sites > best.n_sites):
            best = found
    return best if best is not None and best.base_pairs else None


def _snps(sites: Sites) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the SNPs, and a number for each one's pair of alleles, whichever is a1."""
    code = {base: 1 << index for index, base in enumerate("ACGT")}
    pairs = [code.get(a0, 0) | code.get(a1, 0) for a0, a1 in zip(sites.a0.tolist(), sites.a1.tolist(), strict=True)]
    numbers = np.array(pairs, dtype=np.int64).reshape(-1)
    is_snp = np.isin(
        numbers, [first | second for first in code.values() for second in code.values() if first != second]
    )
    return sites.positions[is_snp], numbers[is_snp]


def _differences(
    target_positions: NDArray[np.int64],
    target_pairs: NDArray[np.int64],
    model_positions: NDArray[np.int64],
    model_pairs: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Model less target positions of all pairs of SNPs with the same alleles that are near enough."""
    parts = []
    for pair in np.unique(target_pairs).tolist():
        targets, models = target_positions[target_pairs == pair], model_positions[model_pairs == pair]
        difference = models[None, :] - targets[:, None]
        parts.append(difference[np.abs(difference) <= _LARGEST_SHIFT])
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
