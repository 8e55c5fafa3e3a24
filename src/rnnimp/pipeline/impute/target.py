"""Reading the target of an imputation, in any of its formats, whole: it has the array's few sites."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import STANDARD_STREAM
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats import bgen, hapslegend, shapeit
from rnnimp.formats.biallelic import REPEATED
from rnnimp.formats.files import read_lines, unreadable
from rnnimp.formats.pgen import reading as pgen_input
from rnnimp.formats.pgen import writing as pgen
from rnnimp.formats.unphased import Unphased
from rnnimp.formats.vcf import reading as vcf
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.genome_build import build_of_length, once_in_males, possible_builds
from rnnimp.sites.panel import ImputedBlock, Panel
from rnnimp.sites.ploidy import Ploidy, PloidyRecorder, may_be_haploid
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TargetFiles:
    """The files of a target: exactly one of `hap`, `haps`, `vcf`, `bgen` and `pgen`.

    Attributes:
        hap: Haplotypes, with `legend`.
        legend: Sites of the haplotypes.
        haps: SHAPEIT's haplotypes with their sites.
        vcf: A VCF or BCF; `-` for the standard input.
        bgen: Phased BGEN.
        pgen: Phased PGEN, or its prefix.
        sample: Names of the samples of `hap`, `haps` or `bgen`.
        chromosome: Name of the chromosome. None takes it from the file, or the model's where the file has several.
        keep_first_duplicate: Whether repeated sites are left out instead of refused. Not for `hap` and `haps`.
    """

    hap: str | None = None
    legend: str | None = None
    haps: str | None = None
    vcf: str | None = None
    bgen: str | None = None
    pgen: str | None = None
    sample: str | None = None
    chromosome: str | None = None
    keep_first_duplicate: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("hap", "haps", "vcf", "bgen", "pgen") if getattr(self, name) is not None]
        if len(given) != 1:
            raise SettingsError(
                "expected one target, either --hap with --legend or --vcf, --haps, --bgen or --pgen; give one of them"
            )
        if (self.hap is None) != (self.legend is None):
            raise SettingsError("expected --hap and --legend together; the other formats need neither")
        if self.sample is not None and given[0] in ("vcf", "pgen"):
            raise SettingsError(
                f"--sample goes with --hap, --haps or --bgen; a {given[0].upper()} names its samples itself"
            )

    def files(self) -> list[str]:
        """All files that the target is read from, whether they exist or not; not the standard input."""
        names = [self.hap, self.legend, self.haps, self.vcf, self.bgen, self.sample]
        if self.pgen is not None:
            names += [self.pgen, *pgen_input.files_of(self.pgen)]
        return [name for name in names if name is not None and name != STANDARD_STREAM]


@dataclass(frozen=True, eq=False)
class Target:
    """A target and what its file says besides.

    Attributes:
        panel: Phased haplotypes in order of position.
        name: Name of the file, for messages.
        contig_length: Length of the chromosome in base pairs, where the file says so.
        n_repeated: Sites of the file that were left out as repeated.
        ploidy: Samples that are haploid, by stretch of the chromosome; their alleles are in both columns. None if no
            sample is.
    """

    panel: Panel
    name: str
    contig_length: int | None = None
    n_repeated: int = 0
    ploidy: Ploidy | None = None


def require_present(path: str | Path) -> None:
    """Look whether there is anything at a path: a file, a pipe or a device.

    Raises:
        DataError: if there is nothing, or nothing that this user can find.
    """
    try:
        Path(path).stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error if isinstance(error, OSError) else OSError(str(error))) from error


def require_kind(files: TargetFiles) -> None:
    """Look whether the files are there, and a BGEN or PGEN is one and can be read here: before the model is opened.

    Raises:
        DataError: if a file is missing, or a BGEN or PGEN is of another kind.
        RnnimpError: if the library is not installed, naming the extra.
    """
    for path in (files.hap, files.legend, files.haps, files.vcf, files.sample):
        if path is not None and path != STANDARD_STREAM:
            require_present(path)
    if files.bgen is not None:
        bgen.library()
        bgen.require_bgen(files.bgen)
    if files.pgen is not None:
        pgen.library()
        pgen_input.require_pgen(files.pgen)


def read_target(files: TargetFiles, model_chromosome: str | None, unphased: Unphased | None = None) -> Target:
    """Read a target.

    Args:
        files: Files of the target.
        model_chromosome: Chromosome of the model, where it is known; files of several chromosomes are read there.
        unphased: Counts the unphased genotypes of a VCF, BCF or PGEN. None refuses them.

    Raises:
        DataError: naming what is malformed, and where.
    """
    # a file may hold other chromosomes, which the model has nothing to say about
    chromosome = files.chromosome or model_chromosome
    recorder = PloidyRecorder()
    if files.hap is not None and files.legend is not None:
        panel = hapslegend.open_panel(
            files.hap, files.legend, files.sample, files.chromosome, recorder, model_chromosome
        ).read()
        return Target(panel, files.legend, ploidy=recorder.ploidy())
    if files.haps is not None:
        panel = shapeit.read_haps(files.haps, files.sample, files.chromosome, recorder, model_chromosome)
        return Target(panel, files.haps, ploidy=recorder.ploidy())
    if files.vcf is not None:
        name = files.vcf
        stream = vcf.open_panel(
            name,
            None,
            chromosome,
            files.keep_first_duplicate,
            keep_monomorphic=True,
            ploidy=recorder,
            unphased=unphased,
        )
    elif files.bgen is not None:
        name = files.bgen
        stream = bgen.open_panel(
            name, files.sample, chromosome, files.keep_first_duplicate, keep_monomorphic=True, ploidy=recorder
        )
    else:
        assert files.pgen is not None
        name = files.pgen
        stream = pgen_input.open_panel(
            name, chromosome, files.keep_first_duplicate, keep_monomorphic=True, ploidy=recorder, unphased=unphased
        )
    panel = stream.read()
    if files.bgen is None:  # a VCF or .pvar says which allele is REF
        panel = replace(panel, sites=replace(panel.sites, has_reference=True))
    return Target(panel, name, stream.contig_length, stream.left_out[REPEATED], recorder.ploidy())


def report_haploid(target: Target, chromosome: str | None) -> None:
    """Warn of haploid genotypes where everybody has two chromosomes: a damaged line can look like one."""
    if target.ploidy is None or chromosome is None or may_be_haploid(chromosome):
        return
    haploid = np.flatnonzero(target.ploidy.is_haploid.any(axis=0))
    logger.warning(
        "warning: %s: %s with haploid genotypes on chromosome %s, an autosome: %s; check that the file is not damaged",
        *(target.name, counted(len(haploid), "sample"), chromosome),
        first_few([target.panel.sample_names[index] for index in haploid]),
    )


def with_known_borders(target: Target, chromosome: str | None, model_borders: Collection[int] = ()) -> Target:
    """The target with its changes of ploidy on chrX where the pseudoautosomal regions end.

    Its genotypes only say that they end between two typed sites. Imputed sites there get the ploidy of their own part.

    Args:
        target: The target.
        chromosome: Name of the chromosome.
        model_borders: First positions of the model's regions that share no site with the regions before them, as at the
            end of a part. Where these do not decide, the genome builds that the target may have do.
    """
    if target.ploidy is None or chromosome is None or plain_chromosome(chromosome).upper() != "X":
        return target
    positions, length = target.panel.sites.positions, target.contig_length
    build = None if length is None else build_of_length("X", length)
    builds = possible_builds("X", int(positions[-1])) if build is None else (build,)
    borders = {border for known in builds for border in (once_in_males(known)[0], once_in_males(known)[1] + 1)}
    return replace(target, ploidy=target.ploidy.with_borders(positions, model_borders, borders))


def with_ploidy(block: ImputedBlock, ploidy: Ploidy | None) -> ImputedBlock:
    """The block with who is haploid at its sites; imputed ones are as the typed site before them in their part."""
    if ploidy is None:
        return block
    is_haploid = ploidy.at(block.sites.positions)
    return replace(block, is_haploid=is_haploid) if is_haploid.any() else block


def chosen_samples(target: Target, path: str | None) -> Target:
    """The samples that a file names, in the target's order; all without one.

    Raises:
        DataError: if the target has not all of them, or the file names none.
    """
    if path is None:
        return target
    names = [name.strip() for name in read_lines(path) if name.strip()]
    unknown = set(names) - set(target.panel.sample_names)
    if unknown or not names:
        found = f"no {sorted(unknown)[0]}" if unknown else "no name"
        raise DataError(f"expected samples of the target, one name per line, found {found}; check --samples", path)
    chosen = set(names)
    return with_samples(target, np.flatnonzero([name in chosen for name in target.panel.sample_names]))


def with_samples(target: Target, rows: NDArray[np.intp]) -> Target:
    """Only some samples of the target, int64 (n_rows,)."""
    ploidy = None if target.ploidy is None else target.ploidy.take_samples(rows)
    return replace(target, panel=target.panel.take_samples(rows), ploidy=ploidy)
