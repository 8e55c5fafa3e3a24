"""Comparing imputed genotypes with the truth, and reading genotypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnimp.api.haplotypes import Haplotypes
from rnnimp.api.imputing import Imputed
from rnnimp.choices import BIN_EDGES, DEFAULT_REPLICATES
from rnnimp.errors import SettingsError
from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings
from rnnimp.pipeline.evaluate.results import Evaluation, Results
from rnnimp.pipeline.evaluate.run import ONLY, evaluate_all
from rnnimp.pipeline.evaluate.sources import GenotypeSource, copies_of_a1, read_imputed
from rnnimp.scoring.alignment import Truth
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
    frequency_column: str | None = None,
    typed: str | Path | None = None,
    all_sites: bool = False,
    bins: Sequence[float] = BIN_EDGES,
    groups: str | Path | None = None,
    regions: str | Path | None = None,
    chromosome: str | None = None,
    calibration: bool = False,
    bootstrap: int = 0,
    output: str | Path | None = None,
) -> Evaluation:
    """Compare imputed genotypes with the truth, by minor allele frequency.

    Args:
        imputed: From `impute` or `read_genotypes`, or a file that `read_genotypes` reads.
        truth: From `read_haplotypes`, or a file that `read_genotypes` reads.
        frequencies: VCF, table of sites or legend, whose frequencies assign sites to bins. None takes the truth's.
        frequency_column: Column of that table, or field of INFO. None takes one that is known.
        typed: A legend, VCF or BCF of the sites that the array typed. None takes the flags of the imputed genotypes.
        all_sites: Whether to score typed sites as well.
        bins: Edges of the bins in percent, rising; a bin contains its upper edge.
        groups: File of groups of samples: a name, a tab and a group per line.
        regions: BED file of regions.
        chromosome: Chromosome to read, if a file has several.
        calibration: Whether to compare the imputation's own estimates with the truth.
        bootstrap: Replicates of a bootstrap over samples, for 95% intervals; 0 for none.
        output: Prefix of tables to write, `.bins.tsv` and others. Both sides must be files then.

    Returns:
        The scores: `bins`, at last of all sites; `groups`, with intervals; `samples`; `sites` and `statistics` of each
        site, for which memory grows with the sites; `calibration`. `pandas.DataFrame(evaluation.bins)` makes a table.

    Raises:
        RnnimpError: for unreadable files, or no site or sample in common.
    """
    results = compare(
        {ONLY: imputed},
        truth,
        frequencies=frequencies,
        frequency_column=frequency_column,
        typed=typed,
        all_sites=all_sites,
        bins=bins,
        groups=groups,
        regions=regions,
        chromosome=chromosome,
        calibration=calibration,
        bootstrap=bootstrap,
        output=output,
    )
    return results.evaluations[ONLY]


def compare(
    imputed: Mapping[str, Imputed | GenotypeTable | str | Path],
    truth: Haplotypes | str | Path,
    *,
    frequencies: str | Path | None = None,
    frequency_column: str | None = None,
    typed: str | Path | None = None,
    all_sites: bool = False,
    bins: Sequence[float] = BIN_EDGES,
    groups: str | Path | None = None,
    regions: str | Path | None = None,
    chromosome: str | None = None,
    calibration: bool = False,
    bootstrap: int = DEFAULT_REPLICATES,
    output: str | Path | None = None,
) -> Results:
    """Compare several imputations of the same people with the truth, at the sites that all of them have.

    Args:
        imputed: Imputations by name, each as `evaluate` takes it; the first is the one that others are compared with.
        truth: As `evaluate` takes it, and so for all other arguments.
        frequencies: See `evaluate`.
        frequency_column: See `evaluate`.
        typed: See `evaluate`.
        all_sites: See `evaluate`.
        bins: See `evaluate`.
        groups: See `evaluate`.
        regions: See `evaluate`.
        chromosome: See `evaluate`.
        calibration: See `evaluate`.
        bootstrap: See `evaluate`; the intervals of the differences come from it too.
        output: See `evaluate`.

    Returns:
        The scores of each imputation by name, `evaluations`, and `differences` to the first one.

    Raises:
        RnnimpError: for unreadable files, or no site or sample in common.
    """
    sources = {name: _imputed(each) for name, each in imputed.items()}
    known = _truth(truth) if isinstance(truth, Haplotypes) else GenotypeSource(truth)
    if output is not None and not all(isinstance(each, GenotypeSource) for each in (*sources.values(), known)):
        raise SettingsError("tables are written of files only; leave output out, or give the paths of both files")
    inputs = EvaluateInputs(sources, known, frequencies, frequency_column, typed, groups, regions)
    settings = EvaluateSettings(tuple(bins), all_sites, chromosome, calibration, bootstrap)
    return evaluate_all(inputs, settings, output, keep_sites=True)


def _imputed(imputed: Imputed | GenotypeTable | str | Path) -> GenotypeTable | GenotypeSource:
    if isinstance(imputed, Imputed):
        return imputed.table()
    return imputed if isinstance(imputed, GenotypeTable) else GenotypeSource(imputed)


def _truth(haplotypes: Haplotypes) -> Truth:
    return Truth(haplotypes.sites, copies_of_a1(haplotypes.alleles), tuple(haplotypes.sample_names))
