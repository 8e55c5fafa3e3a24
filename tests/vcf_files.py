"""VCF files for the tests, from records that are written out and from panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysam

from rnnimp.sites.panel import Panel

HEADER = """##fileformat=VCFv4.2
##contig=<ID=22>
##contig=<ID=21>
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=DS,Number=A,Type=Float,Description="dosage">
##FORMAT=<ID=GP,Number=G,Type=Float,Description="probabilities">
##FORMAT=<ID=HDS,Number=2,Type=Float,Description="haploid dosages">
##FORMAT=<ID=AP1,Number=A,Type=Float,Description="dose on haplotype 1">
##FORMAT=<ID=AP2,Number=A,Type=Float,Description="dose on haplotype 2">
"""


def write_vcf(path: Path, records: list[str], samples: str = "a b", header: str = "") -> Path:
    """A VCF of records written with spaces: `CHROM POS ID REF ALT INFO FORMAT samples...`."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    columns += ["FORMAT", *samples.split()] if samples else []
    lines = ["\t".join(columns)]
    for record in records:
        words = record.split()
        lines.append("\t".join([*words[:5], ".", "PASS", *words[5:]]))
    path.write_text(HEADER + header + "\n".join(lines) + "\n")
    return path


def indexed(path: Path, index: str = "tbi") -> Path:
    """The same VCF packed by bgzip, with an index beside it."""
    packed = Path(f"{path}.gz")
    pysam.tabix_compress(str(path), str(packed), force=True)
    pysam.tabix_index(str(packed), preset="vcf", force=True, csi=index == "csi")
    return packed


def write_panel(path: Path, panel: Panel, chromosome: str = "22") -> Path:
    """A phased VCF of a panel, one record a site."""
    text = np.where(panel.alleles < 0, ".", panel.alleles.astype(str))
    calls = [" ".join(f"{a}|{b}" for a, b in zip(row[::2], row[1::2], strict=True)) for row in text]
    sites = panel.sites
    records = [
        f"{chromosome} {position} . {ref} {alt} . GT {row}"
        for (position, ref, alt), row in zip(sites.keys(), calls, strict=True)
    ]
    return write_vcf(path, records, " ".join(panel.sample_names))
