"""Evaluate: imputed genotypes against the truth, by minor allele frequency.

1. Open all files, and find the samples in common (`inputs.py`).
2. Walk the files side by side (`joined.py`). Find the sites in common, and skip sites that the array typed.
3. Compare the genotypes, and add up the scores of bins, groups and samples (`comparison.py`, `scorer.py`).
4. On request, compare the imputation's own estimates with the scores (`calibration.py`).

With a prefix, tables and a JSON file are written (`tables.py`). Memory does not grow with sites, unless they are kept.
"""

from __future__ import annotations

from pathlib import Path

from rnnimp.pipeline.evaluate.comparison import Comparison
from rnnimp.pipeline.evaluate.inputs import EvaluateInputs, EvaluateSettings
from rnnimp.pipeline.evaluate.results import Evaluation, Results
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.pipeline.evaluate.tables import TablesWriter, table_files
from rnnimp.pipeline.outputs import check_outputs, require_output_name

ONLY = "imputed"
"""Name of the only imputation, if it has no other."""


def evaluate(
    imputed_source: GenotypeSource,
    truth_source: GenotypeSource,
    settings: EvaluateSettings,
    frequencies: str | Path | None = None,
    typed: str | Path | None = None,
    output_prefix: str | Path | None = None,
) -> Evaluation:
    """Score one file of imputed genotypes against the truth, and keep the sites; see `evaluate_all`."""
    inputs = EvaluateInputs({ONLY: imputed_source}, truth_source, frequencies, typed=typed)
    return evaluate_all(inputs, settings, output_prefix, keep_sites=True).evaluations[ONLY]


def evaluate_all(
    inputs: EvaluateInputs,
    settings: EvaluateSettings,
    output_prefix: str | Path | None = None,
    keep_sites: bool = False,
) -> Results:
    """Score imputed genotypes against the truth.

    Several imputations are scored at the sites and for the samples that all of them have.

    Args:
        inputs: What to compare.
        settings: Which sites to score, in which bins.
        output_prefix: Where to write the tables; None writes none.
        keep_sites: Whether to keep the sites and their statistics, for which memory grows with the sites.

    Raises:
        DataError: for unreadable files, or no site or sample in common.
        SettingsError: for files of unknown endings.
    """
    if output_prefix is None:
        return Comparison(inputs, settings).run(keep_sites=keep_sites)
    require_output_name(output_prefix, "--output")
    check_outputs(table_files(output_prefix, settings.calibration, len(inputs.imputed) > 1), inputs.files())
    comparison = Comparison(inputs, settings)
    with TablesWriter(output_prefix, inputs, settings) as writer:
        results = comparison.run([writer], keep_sites)
        writer.write_results(results)
    return results
