"""From a panel to training data."""

from __future__ import annotations

from pathlib import Path

from rnnimp.choices import BODY_MARKERS, FLANK_MARKERS, IMPUTED_SITES, MAF_THRESHOLD
from rnnimp.pipeline import prepare as prepare_stage
from rnnimp.pipeline import split as split_stage
from rnnimp.pipeline.prepare import PrepareSettings, PrepareSummary
from rnnimp.pipeline.split import SplitSettings
from rnnimp.sites.regions import RegionLimits

StrPath = str | Path


def prepare(
    output: StrPath,
    *,
    vcf: StrPath | None = None,
    hap: StrPath | None = None,
    legend: StrPath | None = None,
    sample: StrPath | None = None,
    markers: StrPath | None = None,
    manifest: StrPath | None = None,
    fasta: StrPath | None = None,
    chromosome: str | None = None,
    region: str | None = None,
    test_samples: StrPath | None = None,
    draw_test_samples: int | None = None,
    name: str | None = None,
    keep_first_duplicate: bool = False,
    sex: StrPath | None = None,
    build: str | None = None,
) -> PrepareSummary:
    """Flag an array's markers in a panel, and set test samples apart.

    Args:
        output: Folder in which the folders `train` and `test` are made.
        vcf: A VCF or BCF panel. The other choice is `hap`.
        hap: Haplotypes of a panel, with `legend`.
        legend: Sites of the haplotypes.
        sample: Sample names of the haplotypes.
        markers: The markers as a table, VCF, BCF or PLINK `.bim`.
        manifest: The array's Illumina manifest, with `fasta`. The other choice is `markers`.
        fasta: Reference genome of the manifest's build.
        chromosome: Chromosome to use, if the panel has several.
        region: Part of the panel to use.
        test_samples: A file that lists the samples to set apart.
        draw_test_samples: How many samples to draw if that file does not exist. They are written to it.
        name: Name of the files; None for `chr` and the chromosome.
        keep_first_duplicate: Whether to keep the first of several records at the same site instead of an error.
        sex: A table of the samples' sex, for chromosome X. None finds males by their genotypes.
        build: Genome build of a panel of chromosome X, such as `GRCh38`. None takes it from the header or the
            genotypes.

    Returns:
        Numbers of sites and samples, and `train_prefix`, the prefix of the training files.

    Raises:
        RnnimpError: for bad input, or if no site is an array marker.
    """
    settings = PrepareSettings(
        output_dir=Path(output),
        vcf=_path(vcf),
        hap=_path(hap),
        legend=_path(legend),
        sample=_path(sample),
        chromosome=chromosome,
        region=region,
        manifest=_path(manifest),
        fasta=_path(fasta),
        markers=_path(markers),
        test_samples=_path(test_samples),
        draw_test_samples=draw_test_samples,
        name=name,
        keep_first_duplicate=keep_first_duplicate,
        sex=_path(sex),
        build=build,
    )
    return prepare_stage.prepare(settings)


def split(
    hap: StrPath,
    legend: StrPath,
    output: StrPath,
    *,
    body_markers: int = BODY_MARKERS,
    flank_markers: int = FLANK_MARKERS,
    imputed_sites: int = IMPUTED_SITES,
    maf_threshold: float = MAF_THRESHOLD,
    flip_alleles: bool = True,
    blocks: StrPath | None = None,
    chromosome: str | None = None,
) -> Path:
    """Split a panel into regions.

    Args:
        hap: The training haplotypes.
        legend: Sites of the haplotypes, with the flags of array markers.
        output: Prefix of the files to write.
        body_markers: Most array markers in a region's body.
        flank_markers: Array markers in each flank.
        imputed_sites: End a body at the first marker after this many imputed sites.
        maf_threshold: Drop imputed sites whose frequency of `a1` is below this.
        flip_alleles: Whether to make the rarer allele of each marker `a1`.
        blocks: A BED file of blocks that no body may cross.
        chromosome: Chromosome of the blocks. None detects it from the ids.

    Returns:
        The list of regions, which `train` takes.

    Raises:
        RnnimpError: for bad input.
    """
    settings = SplitSettings(RegionLimits(body_markers, flank_markers, imputed_sites), maf_threshold, flip_alleles)
    split_stage.split(hap, legend, output, settings, blocks, chromosome)
    return Path(f"{output}.list")


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)
