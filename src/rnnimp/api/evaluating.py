"""Comparing imputed genotypes with the truth, and reading genotypes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnimp.api.haplotypes import Haplotypes
from rnnimp.api.imputing import Imputed
from rnnimp.choices import BIN_EDGES
from rnnimp.errors import SettingsError
from rnnimp.pipeline.evaluate import run as stage
from rnnimp.pipeline.evaluate.run import EvaluateSettings, Evaluation
from rnnimp.pipeline.evaluate.sources import (
    GenotypeSource,
    copies_of_a1,
    read_frequencies,
    read_imputed,
    read_truth,
    read_typed,
)
from rnnimp.scoring.accuracy import Truth
from rnnimp.sites.panel import GenotypeTable


def read_genotypes(
    path: str | Path,
    *,
    legend: str | Path | None = None,
    sample: str | Path | None = None,
    chromosome: str | None = None,
) -> GenotypeTable:
    """Read unphased genotypes with their uncertainty, such as an imputed file of any program.

    Args:
        path: VCF, BCF, GEN, BGEN, PGEN, or haplotypes with a legend. The ending of the name decides the format.
        legend: Legend of haplotypes. None takes the one beside them.
        sample: Sample names of haplotypes, GEN or BGEN. None takes those beside the file, or in the BGEN.
        chromosome: Chromosome to read. None if the file has only one.

    Raises:
        RnnimpError: naming what is malformed, and where.
    """
    return read_imputed(GenotypeSource(path, legend, sample), chromosome)


def evaluate(
    imputed: Imputed | GenotypeTable | str | Path,
    truth: Haplotypes | str | Path,
    *,
    frequencies: str | Path | None = None,
    typed: str | Path | None = None,
    all_sites: bool = False,
    bins: Sequence[float] = BIN_EDGES,
    chromosome: str | None = None,
    calibration: bool = False,
    output: str | Path | None = None,
) -> Evaluation:
    """Compare imputed genotypes with the truth, by minor allele frequency.

    Args:
        imputed: From `impute` or `read_genotypes`, or a file that `read_genotypes` reads.
        truth: From `read_haplotypes`, or a file that `read_genotypes` reads.
        frequencies: The panel's legend, whose `a1_freq` assigns sites to bins. None takes the truth's frequencies.
        typed: A legend, VCF or BCF of the sites that the array typed. None takes the flags of the imputed genotypes.
        all_sites: Whether to score typed sites as well.
        bins: Edges of the bins in percent, rising; a bin contains its upper edge.
        chromosome: Chromosome to read, if a file has several.
        calibration: Whether to compare the imputation's own estimates with the truth.
        output: Prefix of tables to write, `.bins.tsv` and others. Both sides must be files then.

    Returns:
        The scores: `bins`, at last of all sites; `sites` and `statistics` of each site; `calibration`.
        `pandas.DataFrame(evaluation.bins)` makes a table.

    Raises:
        RnnimpError: for unreadable files, or no site or sample in common.
    """
    settings = EvaluateSettings(tuple(bins), all_sites, chromosome, calibration)
    if isinstance(imputed, (str, Path)) and isinstance(truth, (str, Path)):
        return stage.evaluate(GenotypeSource(imputed), GenotypeSource(truth), settings, frequencies, typed, output)
    if output is not None:
        raise SettingsError("tables are written of files only; leave output out, or give the paths of both files")
    panel_sites = None if frequencies is None else read_frequencies(frequencies)
    typed_sites = None if typed is None else read_typed(typed, chromosome)
    table = _table(imputed, chromosome)
    known = _truth(truth) if isinstance(truth, Haplotypes) else read_truth(GenotypeSource(truth), chromosome)
    return stage.evaluate_genotypes(table, known, settings, panel_sites, typed_sites)


def _table(imputed: Imputed | GenotypeTable | str | Path, chromosome: str | None) -> GenotypeTable:
    if isinstance(imputed, Imputed):
        return imputed.table()
    return imputed if isinstance(imputed, GenotypeTable) else read_imputed(GenotypeSource(imputed), chromosome)


def _truth(haplotypes: Haplotypes) -> Truth:
    return Truth(haplotypes.sites, copies_of_a1(haplotypes.alleles), tuple(haplotypes.sample_names))
