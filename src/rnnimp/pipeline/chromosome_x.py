"""A panel of chrX with one haplotype per male between the pseudoautosomal regions.

1. Find that part: by the genome build, or by the genotypes of one allele.
2. Find the males: by a table, by genotypes of one allele, or by having no heterozygous genotype in that part. Only the
   last two need a first pass over the panel.
3. Read the panel, and put `ABSENT` into the second column of each male in that part.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BUILDS
from rnnimp.errors import DataError
from rnnimp.formats.sexes import read_sexes
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.genome_build import build_of_length, once_in_males
from rnnimp.sites.haploid_males import LEAST_EXPECTED, ZygosityCounts, heterozygous_male, with_one_haplotype
from rnnimp.sites.panel import Panel, PanelStream
from rnnimp.sites.ploidy import PloidyRecorder
from rnnimp.wording import counted, first_few

CHROMOSOME = "X"

logger = logging.getLogger(__name__)

Opener = Callable[[PloidyRecorder], PanelStream]


@dataclass(frozen=True)
class SexOptions:
    """What is known of the panel besides its genotypes.

    Attributes:
        sex: Table of the samples' sex; None to find it by the genotypes.
        build: Genome build, one of `BUILDS`; None to find it by the length of the chromosome in the header.
    """

    sex: Path | None = None
    build: str | None = None


def is_chromosome_x(name: str | None) -> bool:
    """Whether a chromosome's name means chrX, or a part of it."""
    return name is not None and plain_chromosome(name).upper() == CHROMOSOME


def with_haploid_males(
    opened: PanelStream, recorder: PloidyRecorder, reopen: Opener, options: SexOptions, path: Path
) -> PanelStream:
    """The panel with `ABSENT` in the second columns of males, between the pseudoautosomal regions.

    Args:
        opened: The panel, with both columns alike in haploid samples; its blocks have not been walked.
        recorder: What `opened` records its haploid samples in.
        reopen: Opens the panel again. It is called if sex or build can only be found by the genotypes.
        options: Sex and build.
        path: The panel's file, for messages.

    Raises:
        DataError: if the build or a sample's sex is not known, for heterozygous males, and for haploid samples that are
            female or in a pseudoautosomal region.
    """
    build = options.build or _build_of(opened)
    part = None if build is None else once_in_males(build)
    males = None if options.sex is None else _listed_males(options.sex, opened.sample_names)
    survey = None
    if part is None or males is None:
        if not path.is_file():
            raise DataError("expected a file that can be read twice, found a pipe; give --sex and --build", path)
        survey_recorder = PloidyRecorder(CHROMOSOME)
        survey = _survey(reopen(survey_recorder), survey_recorder, part)
        part = part or survey.part(path)
        males = survey.males(opened.sample_names, path) if males is None else males
    has_sites = survey is None or survey.n_sites > 0 or bool(males.any())
    _log_males(build, part, males, has_sites)
    rule = _Rule(part, males, opened.sample_names, path)
    return replace(opened, blocks=rule.applied(opened.blocks, recorder))


def _log_males(build: str | None, part: tuple[int, int], males: NDArray[np.bool_], has_sites: bool) -> None:
    name = "chromosome X" if build is None else f"chromosome X, {build}"
    if not has_sites:
        logger.info("%s: no site from %d to %d, where males have one haplotype", name, *part)
        return
    logger.info(
        "%s: %s with one haplotype from %d to %d, and %s",
        *(name, counted(int(males.sum()), "male"), *part, counted(int((~males).sum()), "female")),
    )


def _build_of(stream: PanelStream) -> str | None:
    return None if stream.contig_length is None else build_of_length(CHROMOSOME, stream.contig_length)


def _listed_males(path: Path, names: tuple[str, ...]) -> NDArray[np.bool_]:
    sexes = read_sexes(path)
    unknown = [name for name in names if sexes.get(name) is None]
    if unknown:
        raise DataError(
            f"expected the sex of all {counted(len(names), 'sample')} of the panel, found none of "
            f"{first_few(unknown)}; add it",
            path,
        )
    return np.array([sexes[name] for name in names], dtype=np.bool_)


@dataclass
class _Survey:
    """What the genotypes say.

    Attributes:
        zygosity: Counts over the part that males have once; over nothing if that is not known.
        is_haploid: Samples with a genotype of one allele, bool (n_samples,).
        n_sites: Sites in that part.
        haploid_span: First and last position with a genotype of one allele; None if there is none.
    """

    zygosity: ZygosityCounts
    is_haploid: NDArray[np.bool_]
    n_sites: int = 0
    haploid_span: tuple[int, int] | None = None

    def part(self, path: Path) -> tuple[int, int]:
        """The part that males have once, by genotypes of one allele."""
        if self.haploid_span is None:
            raise DataError(
                f"expected the genome build, which says where males have chromosome X once; give --build "
                f"{' or '.join(BUILDS)}",
                path,
            )
        return self.haploid_span

    def males(self, names: tuple[str, ...], path: Path) -> NDArray[np.bool_]:
        """A panel that writes one allele for some males does so for all; else males have no heterozygous genotype."""
        if self.is_haploid.any() or not self.n_sites:
            self._require_one_coding(names, path)
            return self.is_haploid
        unknown = np.flatnonzero(self.zygosity.unknown())
        if unknown.size:
            raise DataError(
                f"expected genotypes that say who is male, found {counted(len(unknown), 'sample')} of unknown sex "
                f"({first_few([names[index] for index in unknown])}) at {counted(self.n_sites, 'site')} with "
                f"{self.zygosity.expected:.0f} heterozygous genotypes expected of a female (at least {LEAST_EXPECTED} "
                "are needed); give --sex",
                path,
            )
        return self.zygosity.males()

    def _require_one_coding(self, names: tuple[str, ...], path: Path) -> None:
        """Refuse males with two alleles beside others with one: they would count twice."""
        is_doubtful = self.zygosity.males() & ~self.zygosity.unknown() & ~self.is_haploid
        found = [names[index] for index in np.flatnonzero(is_doubtful)]
        if found:
            raise DataError(
                "expected one allele in all males or in none, found samples with one allele, and "
                f"{counted(len(found), 'sample')} with two but no heterozygous genotype ({first_few(found)}); "
                "give --sex",
                path,
            )


def _survey(stream: PanelStream, recorder: PloidyRecorder, part: tuple[int, int] | None) -> _Survey:
    n_samples = len(stream.sample_names)
    survey = _Survey(ZygosityCounts(np.zeros(n_samples, np.int64)), np.zeros(n_samples, np.bool_))
    for block in stream.blocks:
        positions = block.sites.positions
        if part is not None:
            is_inside = (positions >= part[0]) & (positions <= part[1])
            survey.zygosity.add(block.alleles[is_inside])
            survey.n_sites += int(np.count_nonzero(is_inside))
        ploidy = recorder.ploidy()
        if ploidy is None:
            continue
        is_haploid = ploidy.at(positions) & (block.alleles[:, ::2] >= 0)
        survey.is_haploid |= is_haploid.any(axis=0)
        found = positions[is_haploid.any(axis=1)]
        if found.size:
            first = int(found[0]) if survey.haploid_span is None else survey.haploid_span[0]
            survey.haploid_span = first, int(found[-1])
    return survey


@dataclass(frozen=True)
class _Rule:
    """Males have one haplotype in a part of the chromosome, and everybody has two elsewhere."""

    part: tuple[int, int]
    is_male: NDArray[np.bool_]
    names: tuple[str, ...]
    path: Path

    def applied(self, blocks: Iterator[Panel], recorder: PloidyRecorder) -> Iterator[Panel]:
        """The blocks with `ABSENT` where males have no second haplotype."""
        for block in blocks:
            positions = block.sites.positions
            is_inside = (positions >= self.part[0]) & (positions <= self.part[1])
            ploidy = recorder.ploidy()
            if ploidy is not None:
                self._require_males(block, ploidy.at(positions), is_inside)
            if not is_inside.any():
                yield block
                continue
            self._require_homozygous(block[is_inside])
            alleles = block.alleles.copy()
            alleles[is_inside] = with_one_haplotype(block.alleles[is_inside], self.is_male)
            yield replace(block, alleles=alleles)

    def _require_males(self, block: Panel, is_haploid: NDArray[np.bool_], is_inside: NDArray[np.bool_]) -> None:
        """Refuse genotypes of one allele in females, and in the pseudoautosomal regions."""
        is_wrong = is_haploid & (block.alleles[:, ::2] >= 0) & ~(is_inside[:, None] & self.is_male)
        if not is_wrong.any():
            return
        row, sample = np.argwhere(is_wrong)[0].tolist()
        place = f"X:{block.sites.positions[row]}"
        if is_inside[row]:
            message = f"female, one allele at {place}; correct --sex"
        else:
            message = f"one allele at {place}, outside {self.part[0]} to {self.part[1]}; check --build"
        raise DataError(
            "expected two alleles in females and in the pseudoautosomal regions, found sample "
            f"{self.names[sample]}: {message}",
            self.path,
        )

    def _require_homozygous(self, block: Panel) -> None:
        found = heterozygous_male(block.alleles, self.is_male)
        if found is not None:
            position, name = block.sites.positions[found[0]], self.names[found[1]]
            raise DataError(
                f"expected one allele or two alike in males, found a heterozygous genotype at X:{position} in sample "
                f"{name}; correct the sex (--sex), the build (--build) or the genotype",
                self.path,
            )
