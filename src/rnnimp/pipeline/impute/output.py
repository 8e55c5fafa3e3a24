"""Where imputed blocks go: which format, which files, which sites and fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rnnimp.choices import (
    BUILDS,
    DEFAULT_FIELDS,
    DEFAULT_FORMAT,
    OTHER_ENDINGS,
    OUTPUT_FORMATS,
    STANDARD_STREAM,
    STREAMED_FORMATS,
)
from rnnimp.errors import SettingsError
from rnnimp.formats import bgen, site_table
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.gen import GenWriter
from rnnimp.formats.pgen import writing as pgen
from rnnimp.formats.site_table import BlockWriter, with_site_table
from rnnimp.formats.vcf.bcf_writing import BcfWriter
from rnnimp.formats.vcf.header import VcfContent, parse_fields
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.pipeline.impute import samples
from rnnimp.pipeline.impute.report import report_path
from rnnimp.pipeline.outputs import require_output_name
from rnnimp.scoring.quality import minimac_r2
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.genome_build import contigs_of
from rnnimp.sites.panel import ImputedBlock

_LIBRARIES = {"bgen": bgen.library, "pgen": pgen.library}
_VCF_WRITERS = {"vcf": VcfWriter, "vcf.gz": VcfWriter, "bcf": BcfWriter}
_BESIDE = {
    "gen": ("sample",),
    "vcf": ("sums.tsv.gz",),
    "vcf.gz": ("vcf.gz.csi", "sums.tsv.gz"),
    "bcf": ("bcf.csi", "sums.tsv.gz"),
    "bgen": (),
    "pgen": ("pvar", "psam"),
}
"""Endings of the files beside that with the genotypes, apart from the table of the sites."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutputSettings:
    """Format and place of the output.

    Attributes:
        prefix: Prefix of the files; an ending that names a format chooses it and is not doubled. `-` for standard
            output, without any other file.
        format: One of `OUTPUT_FORMATS`; None for what the prefix ends in, else `default_format`. Standard output takes
            `STREAMED_FORMATS`.
        fields: FORMAT fields of VCF and BCF; None for `DEFAULT_FIELDS`.
        sites_only: Whether VCF and BCF have no samples.
        default_format: The format where neither `format` nor the prefix chooses one.
        contigs: The build, one of `BUILDS`, whose chromosomes the header of a VCF or BCF declares; None for the
            imputed chromosome only.
    """

    prefix: str
    format: str | None = None
    fields: tuple[str, ...] | None = None
    sites_only: bool = False
    default_format: str = DEFAULT_FORMAT
    contigs: str | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in OUTPUT_FORMATS:
            formats = " or ".join(OUTPUT_FORMATS)
            raise SettingsError(f"--output-format must be {formats}, found {self.format}")
        self._require_place()
        if self.sites_only and not self.is_vcf:
            raise SettingsError(f"--sites-only goes with VCF and BCF; {self.chosen_format} has nothing but genotypes")
        if self.contigs is not None and not self.is_vcf:
            raise SettingsError(f"--contigs goes with VCF and BCF; {self.chosen_format} has no list of chromosomes")
        if self.contigs is not None and self.contigs not in BUILDS:
            raise SettingsError(f"--contigs must be {' or '.join(BUILDS)}, found {self.contigs}")
        if self.fields is not None:
            parse_fields(",".join(self.fields))
            self._require_use_of_fields()

    def _require_place(self) -> None:
        """Refuse a name for no file, and what standard output does not take."""
        if not self.is_stream:
            require_output_name(self.prefix, "--output")
            require_output_name(self.bare_prefix, "--output")
            self._require_known_ending()
        elif self.chosen_format not in STREAMED_FORMATS:
            formats = " or ".join(STREAMED_FORMATS)
            raise SettingsError(f"--output - takes --output-format {formats}, found {self.chosen_format}; name a file")

    def _require_use_of_fields(self) -> None:
        if not self.is_vcf:
            raise SettingsError(f"--format-fields goes with VCF and BCF; {self.chosen_format} has no such fields")
        if self.sites_only:
            raise SettingsError("--format-fields does not go with --sites-only, which leaves out the samples")

    @property
    def _other_ending(self) -> str | None:
        """The ending of the prefix, if it looks like another format than the one that is written."""
        name = Path(self.prefix).name.lower()
        others = [f".{other}" for other in (*OUTPUT_FORMATS, *OTHER_ENDINGS) if name.endswith(f".{other}")]
        ending = max(others, key=len, default=None)
        return None if self.prefix.endswith(f".{self.chosen_format}") else ending

    def _require_known_ending(self) -> None:
        """Refuse an ending that asks for a format that is not written, unless the format is given apart."""
        ending = self._other_ending
        if ending is not None and self.format is None:
            formats = ", ".join(f".{known}" for known in OUTPUT_FORMATS)
            found = self.prefix[-len(ending) :]
            raise SettingsError(
                f"--output must end in one of {formats} or in none, found {found}, which is not written; choose an "
                "ending or give --output-format"
            )

    @property
    def chosen_format(self) -> str:
        """The format to write."""
        if self.format is not None:
            return self.format
        if self.is_stream:
            return STREAMED_FORMATS[0]
        endings = [name for name in OUTPUT_FORMATS if self.prefix.endswith(f".{name}")]
        return max(endings, key=len, default=self.default_format)

    @property
    def bare_prefix(self) -> str:
        """The prefix without the format's ending."""
        return self.prefix.removesuffix(f".{self.chosen_format}")

    @property
    def path(self) -> Path:
        """The file with the genotypes."""
        if self.is_stream:
            return Path(STANDARD_STREAM)
        return Path(f"{self.bare_prefix}.{self.chosen_format}")

    def report_ending(self) -> None:
        """Say what is written where the prefix ends like another format."""
        if self._other_ending is not None:
            logger.warning(
                "warning: --output ends in %s, but --output-format is %s: writing %s",
                *(self._other_ending, self.chosen_format, self.path),
            )

    def files(self) -> list[Path]:
        """All files that are written, first that with the genotypes."""
        if self.is_stream:
            return []
        beside = [Path(f"{self.bare_prefix}.{ending}") for ending in _BESIDE[self.chosen_format]]
        return [self.path, *beside, self.site_table, *self.findings]

    @property
    def findings(self) -> list[Path]:
        """What is written about the target and its samples, not together with the genotypes."""
        return [path for path in (self.sample_table, self.report) if path is not None]

    @property
    def is_stream(self) -> bool:
        """Whether the genotypes go to standard output."""
        return self.prefix == STANDARD_STREAM

    @property
    def report(self) -> Path | None:
        """Where the findings of the checks are saved; None for nowhere."""
        return None if self.is_stream else report_path(self.bare_prefix)

    @property
    def sample_table(self) -> Path | None:
        """The table of the samples; None for nowhere."""
        return None if self.is_stream else Path(f"{self.bare_prefix}.{samples.ENDING}")

    @property
    def site_table(self) -> Path:
        """The table of the sites."""
        return Path(f"{self.bare_prefix}.{site_table.ENDING}")

    @property
    def is_vcf(self) -> bool:
        """Whether it is VCF or BCF."""
        return self.chosen_format in _VCF_WRITERS

    @property
    def needs_chromosome(self) -> bool:
        """Whether the format has the chromosome's name in it; GEN has not."""
        return self.chosen_format != "gen"


def require_library(settings: OutputSettings) -> None:
    """Import what the chosen format needs to be written, before any work is done for a file that cannot be written.

    Raises:
        RnnimpError: if it is not installed, naming the extra.
    """
    if settings.chosen_format in _LIBRARIES:
        _LIBRARIES[settings.chosen_format]()


def open_writer(
    settings: OutputSettings,
    sample_names: Sequence[str],
    chromosome: str | None,
    contig_length: int | None = None,
    records: tuple[tuple[str, str], ...] = (),
) -> AbstractContextManager[BlockWriter]:
    """The writer of the chosen format, which writes the table of the sites too.

    Args:
        settings: Format and place of the output.
        sample_names: n_haplotypes / 2 of them.
        chromosome: Name of the chromosome; None only for GEN.
        contig_length: Length of the chromosome in base pairs; None where not known.
        records: Further lines of a VCF's header.
    """
    if not settings.is_vcf:
        open_genotypes = partial(_genotypes, settings, sample_names, chromosome)
        return with_site_table(open_genotypes, settings.site_table, chromosome)
    assert chromosome is not None
    fields = () if settings.sites_only else settings.fields or DEFAULT_FIELDS
    length, others = _contigs(settings.contigs, chromosome, contig_length)
    content = VcfContent(tuple(sample_names), chromosome, fields, length, records, others)
    writer = _VCF_WRITERS[settings.chosen_format]
    if settings.is_stream:
        return writer(settings.path, content, is_packed=settings.chosen_format == "vcf.gz")
    return writer(settings.path, content, f"{settings.bare_prefix}.sums.tsv.gz", site_table=settings.site_table)


def _contigs(build: str | None, chromosome: str, length: int | None) -> tuple[int | None, tuple[tuple[str, int], ...]]:
    """The length of the chromosome, and names and lengths of the others to declare.

    Raises:
        SettingsError: if the target says another length than the build has.
    """
    if build is None:
        return length, ()
    contigs = contigs_of(build, chromosome)
    known = next((known for name, known in contigs if same_chromosome(name, chromosome)), length)
    if length is not None and length != known:
        raise SettingsError(
            f"--contigs {build}: chromosome {chromosome} has {known} base pairs there, but {length} in the target's "
            "header; give the target's build"
        )
    return known, tuple(item for item in contigs if not same_chromosome(item[0], chromosome))


def _genotypes(
    settings: OutputSettings, sample_names: Sequence[str], chromosome: str | None, group: AtomicGroup
) -> AbstractContextManager[BlockWriter]:
    """The writer of a format other than VCF and BCF, whose files belong to a group."""
    if not settings.needs_chromosome:
        return GenWriter(settings.bare_prefix, sample_names, group)
    assert chromosome is not None
    if settings.chosen_format == "bgen":
        return bgen.BgenWriter(settings.path, sample_names, chromosome, group)
    return pgen.PgenWriter(settings.bare_prefix, sample_names, chromosome, group)


def accurate_sites(blocks: Iterator[ImputedBlock], min_r2: float) -> Iterator[ImputedBlock]:
    """The typed sites, and the imputed ones with this R2 or a higher one."""
    for block in blocks:
        if min_r2 > 0:
            yield block[block.is_typed | (minimac_r2(block.known_probabilities()) >= min_r2)]
        else:
            yield block
