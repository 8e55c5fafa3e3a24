"""The header of VCF and BCF files that are written, and what a user may choose about their content."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from rnnimp import __version__
from rnnimp.choices import FORMAT_FIELDS
from rnnimp.errors import DataError, SettingsError
from rnnimp.sites.panel import IMPUTED, TYPED, TYPED_ONLY
from rnnimp.wording import printable

IMPUTE_COMMAND, MERGE_COMMAND = "rnnimp_imputeCommand", "rnnimp_mergeCommand"
MODEL_CHECKSUM = "rnnimp_modelManifestSHA256"
INCOMPLETE_MODEL = "rnnimp_incompleteModel"

INFO_FIELDS = (
    ("AC", "A", "Integer", "Alternate allele count in the most likely genotypes"),
    ("AN", "1", "Integer", "Number of alleles in the genotypes"),
    ("AF", "A", "Float", "Alternate allele frequency: half the mean dosage"),
    ("MAF", "1", "Float", "Frequency of the rarer allele, by dosage"),
    ("R2", "1", "Float", "Estimated imputation accuracy: Minimac R2"),
    ("IMP", "0", "Flag", "Imputed site"),
    (IMPUTED, "0", "Flag", "Imputed site, as the flag IMP"),
    (TYPED, "0", "Flag", "Typed site that the model has"),
    (TYPED_ONLY, "0", "Flag", "Typed site that the model does not have"),
    ("ER2", "1", "Float", "Empirical R2 of a typed site: squared correlation with what is imputed there"),
    ("FILLED", "1", "Integer", "Missing alleles of a typed site that are imputed"),
)
KIND_FLAGS = {IMPUTED: ("IMP", IMPUTED), TYPED: (TYPED,), TYPED_ONLY: (TYPED_ONLY,)}
"""The flags in INFO of each kind of site: Beagle's and Minimac4's."""

_FORMAT_LINES = {
    "GT": ("1", "String", "Most likely phased genotype"),
    "DS": ("A", "Float", "Expected number of alternate alleles"),
    "HDS": ("2", "Float", "Expected number of alternate alleles on each haplotype"),
    "GP": ("G", "Float", "Probabilities of the genotypes 0/0, 0/1 and 1/1, or of 0 and 1"),
    "AP1": ("A", "Float", "Probability of the alternate allele on the first haplotype"),
    "AP2": ("A", "Float", "Probability of the alternate allele on the second haplotype"),
}


@dataclass(frozen=True)
class VcfContent:
    """The content of a VCF or BCF beside the sites.

    Attributes:
        sample_names: Names of the samples, n_haplotypes / 2 of them.
        chromosome: Name of the chromosome.
        fields: Some of `FORMAT_FIELDS`; empty to leave out the samples.
        contig_length: Length of the chromosome in base pairs; None where not known.
        other_contigs: Names and lengths in base pairs of other chromosomes to declare, after this one.
        records: More header lines `##key=value`, by key.
    """

    sample_names: tuple[str, ...]
    chromosome: str
    fields: tuple[str, ...] = ("GT", "DS", "GP")
    contig_length: int | None = None
    records: tuple[tuple[str, str], ...] = ()
    other_contigs: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        for name in self.sample_names:
            if "\t" in name:
                raise DataError(f"expected sample names without tabs, found {name!r}; rename the sample")

    @property
    def keys(self) -> list[str]:
        """Names of the FORMAT fields in the file."""
        return [key for field in self.fields for key in (("AP1", "AP2") if field == "AP" else (field,))]


def parse_fields(text: str) -> tuple[str, ...]:
    """FORMAT fields as a user lists them, in the order of the file.

    Raises:
        SettingsError: for others, or none.

    >>> parse_fields("DS,GT")
    ('GT', 'DS')
    """
    names = [name.strip().upper() for name in text.split(",")]
    unknown = [name for name in names if name not in FORMAT_FIELDS]
    if unknown:
        known = ", ".join(FORMAT_FIELDS)
        raise SettingsError(f"--format-fields must be some of {known}, found {unknown[0] or 'nothing'}")
    return tuple(field for field in FORMAT_FIELDS if field in names)


def flags_text(kind: str) -> str:
    """The flags in INFO of a kind of site, each after a semicolon."""
    return "".join(f";{flag}" for flag in KIND_FLAGS[kind])


def info_lines(names: Container[str] | None = None) -> list[str]:
    """The header's lines about INFO fields; None for all fields."""
    return [
        f'##INFO=<ID={name},Number={number},Type={kind},Description="{meaning}">'
        for name, number, kind, meaning in INFO_FIELDS
        if names is None or name in names
    ]


def header_text(content: VcfContent) -> str:
    """All lines before the first site."""
    length = "" if content.contig_length is None else f",length={content.contig_length}"
    lines = ["##fileformat=VCFv4.2", f"##source=rnnimp {__version__}"]
    lines += [f"##{key}={printable(value)}" for key, value in content.records]
    lines.append('##FILTER=<ID=PASS,Description="All filters passed">')
    lines += info_lines()
    for key in content.keys:
        number, kind, meaning = _FORMAT_LINES[key]
        lines.append(f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{meaning}">')
    lines.append(f"##contig=<ID={content.chromosome}{length}>")
    lines += [f"##contig=<ID={name},length={other}>" for name, other in content.other_contigs]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if content.fields:
        columns += ["FORMAT", *content.sample_names]
    lines.append("\t".join(columns))
    return "\n".join(lines) + "\n"
