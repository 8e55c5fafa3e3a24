"""Choices, defaults and limits that the command line shows and the stages apply. Light to import.

Each stands here once. The stages and the parsers read it from here, so that help texts, the reference pages and the
program agree.
"""

from __future__ import annotations

# formats
STANDARD_STREAM = "-"
"""Standard input or output in place of a file's name."""

STREAMED_FORMATS = ("vcf", "vcf.gz", "bcf")
"""What `rnnimp impute` writes to standard output; the first is the default."""

VCF_ENDINGS = (".vcf", ".vcf.gz", ".bcf")
GEN_ENDINGS = (".gen", ".gen.gz")
HAP_ENDINGS = (".hap", ".hap.gz", ".haps", ".haps.gz")
BGEN_ENDINGS = (".bgen",)
PGEN_ENDINGS = (".pgen",)
GENOTYPE_ENDINGS = (*VCF_ENDINGS, *GEN_ENDINGS, *BGEN_ENDINGS, *PGEN_ENDINGS, *HAP_ENDINGS)
"""The files that `rnnimp evaluate` reads."""
OUTPUT_FORMATS = ("gen", "vcf", "vcf.gz", "bcf", "bgen", "pgen")
OTHER_ENDINGS = (
    *("gz", "bgz", "bz2", "xz", "zst", "zip", "txt", "tsv", "csv", "json", "log", "csi", "tbi", "bgi", "fai"),
    *("sav", "msav", "m3vcf", "bref", "bref3", "imp5", "zarr", "vcz", "h5", "hdf5", "parquet", "dose", "info"),
    *("bed", "bim", "fam", "ped", "map", "pvar", "psam", "raw", "tped", "tfam", "hap", "haps", "legend", "sample"),
    *("ort", "onnx", "fasta", "fa", "gds", "ds", "prob", "impute", "impute2"),
)
"""Endings of other formats: a name that ends in one of them asks for something that is not written."""
DEFAULT_FORMAT = "vcf.gz"
DEMO_FORMAT = "vcf"
PUBLISHED_FORMAT = "gen"
"""What the published program writes."""
BUILDS = ("NCBI36", "GRCh37", "GRCh38", "T2T-CHM13v2")
"""Genome builds whose chromosomes' lengths are known."""

FORMAT_FIELDS = ("GT", "DS", "HDS", "GP", "AP")
"""The values of `--format-fields`; `AP` stands for Beagle's two fields AP1 and AP2."""
DEFAULT_FIELDS = ("GT", "DS", "GP")

# regions of `rnnimp split`
BODY_MARKERS = 200
FLANK_MARKERS = 50
IMPUTED_SITES = 1000
"""This and the two above are the limits of the published models. All benchmarks use them."""
MAF_THRESHOLD = 0.005

# training
TRAINING_DEVICES = ("auto", "cpu", "cuda")
ENGINES = ("auto", "reference", "fused")
LEAST_COPIES = 10
"""The fewest allele counts that one allele frequency in a model stands for."""

# imputing
IMPUTING_DEVICES = ("cpu", "cuda")
TYPED_ONLY = ("keep", "drop")
LEAST_SHARE = 0.2
"""A region with a smaller share of its markers in the target is imputed only if that is forced."""

# merging
MERGED_ENDINGS = (".vcf", ".vcf.gz")

# evaluating
BIN_EDGES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Minor allele frequencies in percent. A bin contains its upper edge and not its lower one: (lower, upper]."""

FREQUENCY_COLUMNS = ("a1_freq", "AF", "ALT_FREQS", "ALL")
"""Frequency of a1 in legends of rnnimp, tables of sites, plink2's `.afreq`, and legends of 1000 Genomes."""
DEFAULT_REPLICATES = 200
"""Of the bootstrap over samples."""

# auditing
AUDITED_MEMBERS = 1000
LEAST_OUTSIDERS = 100
RARE_MAF = 0.01
AUDIT_SEED = 1

# Slurm
TASK_MEMORY = "20GB"
TASK_PYTHON = "python3"
