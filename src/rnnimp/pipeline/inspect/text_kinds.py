"""The kind of a text file, by its first lines, and the columns in which its sites stand.

Kinds are tried in order. Headers go first, since they are certain; then tables without one, by the number of columns
and what is in them. A file's name decides only where contents may be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnimp.formats.genetic_map import map_columns
from rnnimp.formats.sums import sums_header
from rnnimp.pipeline.impute.samples import COLUMNS as SAMPLE_COLUMNS
from rnnimp.pipeline.split import REGION_INFO_COLUMNS

_ALLELES = frozenset("01?-.")
_BASES = frozenset("ACGTNacgtn0.-*<>:")
_IN_NO_NAME = frozenset(',;[]{}<>"')
_LARGEST_SUM = 1.02  # of the three probabilities of a genotype, rounded
_POSITION, _CHROMOSOME = ("position", "pos", "bp"), ("chromosome", "chrom", "chr")


@dataclass(frozen=True)
class TextKind:
    """What a text file is.

    Attributes:
        name: The kind in words.
        position: Column of the position; None if there are no sites.
        chromosome: Column of the chromosome; None if there is none.
        n_header: Lines before the first site, without those that begin with `##`.
        n_head: Columns before the samples; None if there are no samples.
        per_sample: Columns per sample.
    """

    name: str
    position: int | None = None
    chromosome: int | None = None
    n_header: int = 0
    n_head: int | None = None
    per_sample: int = 0


Lines = Sequence[Sequence[str]]


def text_kind(path: Path, lines: Lines) -> TextKind | None:
    """The kind of a text file.

    Args:
        path: Path of the file.
        lines: Words of the first lines, at least one, without those that begin with `##`.

    Returns:
        None for a kind that is not known.
    """
    name = path.name.lower().removesuffix(".gz")
    return next((kind for rule in _RULES if (kind := rule(name, lines)) is not None), None)


def _with_header(name: str, lines: Lines) -> TextKind | None:
    first = [word.lower().lstrip("#") for word in lines[0]]
    if tuple(first) == REGION_INFO_COLUMNS:
        return TextKind("table of regions of 'rnnimp split'")
    if "\t".join(lines[0]) + "\n" == sums_header().decode():
        return TextKind("sums of an imputed file, for 'rnnimp merge'", 0, None, 1)
    if tuple(lines[0]) == SAMPLE_COLUMNS:
        return TextKind("table of the samples of an imputation", n_header=1)
    if {"position", "a0", "a1"} <= set(first):
        return TextKind("LEGEND", first.index("position"), _place(first, _CHROMOSOME), 1)
    if lines[0][0] == "#CHROM" and "ref" in first:
        is_vcf = "format" in first
        return TextKind("VCF without its first line, ##fileformat" if is_vcf else "PVAR", 1, 0, 1)
    if lines[0][0] in ("#FID", "#IID"):
        return TextKind("PSAM", n_header=1)
    if first[:3] == ["id_1", "id_2", "missing"]:
        return TextKind("SAMPLE of Oxford", n_header=2)
    if first[0] == "sample" and len(first) > 1:
        return TextKind("SAMPLE", n_header=1)
    if lines[0][0].startswith(("Illumina,", "[Heading]")):
        return TextKind("manifest of an Illumina array")
    if lines[0][0].startswith(">"):
        return TextKind("FASTA")
    return None


def _genetic_map(name: str, lines: Lines) -> TextKind | None:
    columns = map_columns(list(lines[0]))
    if columns is None or not _are_numbers(lines[-1][columns[0] : columns[0] + 1]):
        return None
    if not columns[2] and not _are_numbers(lines[0][2:4]):
        return None
    return TextKind("genetic map", columns[0], columns[1], int(columns[2]))


def _of_plink(name: str, lines: Lines) -> TextKind | None:
    words = lines[0]
    if len(words) != 6 or name.endswith((".gen", ".haps", ".hap")):
        return None
    if name.endswith(".fam"):
        return TextKind("FAM of PLINK")
    is_bim = _are_numbers(words[2:4]) and all(set(allele) <= _BASES for allele in words[4:])
    return TextKind("BIM of PLINK", 3, 0) if is_bim and not set("".join(words[4:])) <= set("1") else None


def _haplotypes(name: str, lines: Lines) -> TextKind | None:
    words = lines[0]
    if all((len(word) == 1 and word in _ALLELES) or word == "NA" for word in words) and len(words) % 2 == 0:
        return TextKind("HAP", n_head=0, per_sample=2)
    if len(words) < 7 or not _are_numbers(words[2:3]) or name.endswith(".gen"):
        return None
    alleles = words[5:]
    is_haps = len(alleles) % 2 == 0 and all(len(word) <= 2 and word[0] in _ALLELES for word in alleles)
    return TextKind("HAPS of SHAPEIT", 2, 0, n_head=5, per_sample=2) if is_haps else None


def _genotype_probabilities(name: str, lines: Lines) -> TextKind | None:
    words = lines[0]
    n_head = 6 if len(words) % 3 == 0 else 5
    if len(words) < 8 or len(words) % 3 == 1 or name.endswith((".haps", ".hap")):
        return None
    if not _are_numbers(words[n_head - 3 : n_head - 2]) or not _are_numbers(words[n_head:]):
        return None
    values = list(map(float, words[n_head:]))
    sums = [sum(values[place : place + 3]) for place in range(0, len(values), 3)]
    if not any(sums) or max(sums) > _LARGEST_SUM:
        return None
    return TextKind("GEN", n_head - 3, 0 if n_head == 6 else None, n_head=n_head, per_sample=3)


def _list_of_one_column(name: str, lines: Lines) -> TextKind | None:
    if any(len(words) != 1 or set(words[0]) & _IN_NO_NAME for words in lines):
        return None
    if name.endswith(".list") or Path(f"{lines[0][0]}.legend.gz").is_file():
        return TextKind("data list of 'rnnimp split'")
    return TextKind("list of names, such as samples")


def _markers_or_blocks(name: str, lines: Lines) -> TextKind | None:
    first, last = lines[0], lines[-1]
    names = [word.lower().lstrip("#") for word in first]
    chromosome, position = _place(names, _CHROMOSOME), _place(names, _POSITION)
    if chromosome is not None and position is not None:
        return TextKind("list of markers", position, chromosome, 1)
    if len(last) >= 3 and last[1].isdigit() and last[2].isdigit() and (len(first) == 3 or name.endswith(".bed")):
        return TextKind("BED, as of blocks for 'rnnimp split'", 2, 0, 0 if first[1].isdigit() else 1)
    is_marker = len(first) in (2, 4) and first[1].isdigit() and all(set(allele) <= _BASES for allele in first[2:])
    return TextKind("list of markers", 1, 0) if is_marker else None


_RULES: tuple[Callable[[str, Lines], TextKind | None], ...] = (
    _with_header,
    _genetic_map,
    _of_plink,
    _genotype_probabilities,
    _haplotypes,
    _list_of_one_column,
    _markers_or_blocks,
)


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((place for place, name in enumerate(names) if name in known), None)


def _are_numbers(words: Sequence[str]) -> bool:
    """Whether there are words, all of them plain numbers."""
    return bool(words) and all(word.replace(".", "", 1).replace("e-", "", 1).isdigit() for word in words)
