"""Demo: the packaged example imputed with the packaged model, then scored against the packaged truth.

The example is simulated (`tools/simulate_demo.py` of the source). It has 50 people of four populations, both at an
array's markers and at all sites, and a model trained on 400 others.

A second model, of real people, comes without data: `impute_real` imputes the user's with it. Its
model card, `demo/kgp3_chr22/model_card.md`, names its training data, its accuracy, its limits and what it reveals about
its panel. `audit.json` beside the card has all results of its audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnnimp.choices import DEMO_FORMAT
from rnnimp.errors import DataError
from rnnimp.pipeline.evaluate.inputs import EvaluateSettings
from rnnimp.pipeline.evaluate.results import Evaluation
from rnnimp.pipeline.evaluate.run import evaluate
from rnnimp.pipeline.evaluate.sources import GenotypeSource
from rnnimp.pipeline.impute.run import ImputeSettings, run_impute

PACKAGED = Path(__file__).resolve().parent.parent / "demo"
"""The folder of `target.*`, `truth.*` and `model/demo_<i>.*`."""

MODEL = "model/demo"
REAL_MODEL = "kgp3_chr22/chr22"
_PANELS = ("target", "truth")
_WITHOUT_FLAGS = ("gen", "bgen")  # the formats that do not say which sites are typed
_PANEL_ENDINGS = ("hap.gz", "legend.gz", "sample")
_MODEL_FILES = (f"{MODEL}_1.onnx", f"{MODEL}_1.legend.gz")


@dataclass(frozen=True, eq=False)
class DemoResult:
    """The results of the demo.

    Attributes:
        vcf: The imputed genotypes.
        bins: The table of accuracy by minor allele frequency, as TSV; None without a truth, as the next two.
        sites: The accuracy of each site, as TSV.
        evaluation: The same accuracy, in memory.
    """

    vcf: Path
    bins: Path | None
    sites: Path | None
    evaluation: Evaluation | None


def demo(output_dir: str | Path, data: Path | None = None) -> DemoResult:
    """Impute the example and compare it with the truth.

    Args:
        output_dir: Folder to write to; made if it is not there.
        data: The folder of the example; `PACKAGED` if None.

    Raises:
        DataError: if the example is not complete, or the results cannot be written.
    """
    data = PACKAGED if data is None else data
    _require_example(data)
    prefix = Path(output_dir) / "demo"
    hap, legend, sample = (str(data / f"target.{ending}") for ending in _PANEL_ENDINGS)
    vcf = run_impute(
        ImputeSettings(
            model_prefix=str(data / MODEL),
            output_prefix=str(prefix),
            hap=hap,
            legend=legend,
            sample=sample,
            output_format=DEMO_FORMAT,
        )
    )
    return _scored(vcf, data / "truth.hap.gz", prefix)


def impute_real(
    target: str, output_dir: str | Path, truth: str | Path | None = None, output_format: str = DEMO_FORMAT
) -> DemoResult:
    """Impute the user's people on an array at 22:50.25-51.24 Mb (build 37) with the packaged model of real people.

    Args:
        target: Phased VCF or BCF.
        output_dir: Folder to write to; made if it is not there.
        truth: The same people at all sites, to compare the result with.
        output_format: One of `OUTPUT_FORMATS`.

    Raises:
        DataError: if the files cannot be read or written, or do not fit the model.
        RnnimpError: if the format needs a library that is not installed.
    """
    prefix = Path(output_dir) / "kgp3_chr22"
    model = str(PACKAGED / REAL_MODEL)
    settings = ImputeSettings(model_prefix=model, output_prefix=str(prefix), vcf=target, output_format=output_format)
    imputed = run_impute(settings)
    if truth is None:
        return DemoResult(imputed, None, None, None)
    return _scored(imputed, Path(truth), prefix, target if output_format in _WITHOUT_FLAGS else None)


def _scored(vcf: Path, truth: Path, prefix: Path, typed: str | None = None) -> DemoResult:
    evaluation = evaluate(
        GenotypeSource(vcf), GenotypeSource(truth), EvaluateSettings(), typed=typed, output_prefix=prefix
    )
    return DemoResult(vcf, Path(f"{prefix}.bins.tsv"), Path(f"{prefix}.sites.tsv.gz"), evaluation)


def _require_example(data: Path) -> None:
    names = [f"{panel}.{ending}" for panel in _PANELS for ending in _PANEL_ENDINGS] + list(_MODEL_FILES)
    absent = [name for name in names if not (data / name).is_file()]
    if absent:
        raise DataError(f"expected the packaged example, found no {', '.join(absent)}; install rnnimp again", data)
