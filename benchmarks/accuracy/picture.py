"""The picture of the accuracy benchmark: each program's own estimates against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rnnimp.errors import RnnimpError
from rnnimp.pipeline.evaluate.calibration import Calibration
from rnnimp.scoring.calibration import FILTER_THRESHOLDS

try:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.axes import Axes
except ModuleNotFoundError as error:
    raise RnnimpError(f"--calibration draws with {error.name}; install it: pip install '.[benchmarks]'") from error

_DPI = 150


def draw(path: Path, calibrations: Mapping[str, Calibration]) -> None:
    """Four panels: genotype probabilities, estimated r2, its error by allele frequency, and filters on it.

    Args:
        path: Path of the PNG.
        calibrations: Calibration by program; the first score of each is drawn.
    """
    figure, panels = pyplot.subplots(2, 2, figsize=(11, 9), layout="constrained")
    for program, calibration in calibrations.items():
        _reliability(panels[0, 0], program, calibration)
        score = next(iter(calibration.scores), None)
        if score is not None:
            label = f"{program}, {score}"
            _estimates(panels[0, 1], label, calibration, score)
            _error_by_maf(panels[1, 0], label, calibration, score)
            _filters(panels[1, 1], label, calibration, score)
    for panel in (panels[0, 0], panels[0, 1]):
        panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    for panel in panels.flat:
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    figure.savefig(path, dpi=_DPI)
    pyplot.close(figure)


def _reliability(panel: Axes, program: str, calibration: Calibration) -> None:
    sums = calibration.genotypes[-1][1].reliability
    is_filled = sums.n > 0
    stated, observed = (total[is_filled] / sums.n[is_filled] for total in (sums.stated, sums.observed))
    panel.plot(stated, observed, marker="o", markersize=4, label=program)
    panel.set(title="Genotypes", xlabel="stated probability", ylabel="observed frequency")


def _estimates(panel: Axes, label: str, calibration: Calibration, score: str) -> None:
    agreements = [agreement for _, agreement in calibration.scores[score].by_estimate if agreement.n_sites]
    means = [(agreement.mean_estimate, agreement.mean_r2) for agreement in agreements]
    panel.plot(*zip(*means, strict=True), marker="o", markersize=4, label=label)
    panel.set(title="Sites, by estimated r2", xlabel="mean estimated r2", ylabel="mean true r2")


def _error_by_maf(panel: Axes, label: str, calibration: Calibration, score: str) -> None:
    groups = calibration.scores[score].by_maf[:-1]
    labels = [f"{lower:g}-{upper:g}" for (lower, upper), _ in groups]
    panel.plot(labels, [group.mean_estimate - group.mean_r2 for _, group in groups], marker="o", label=label)
    panel.set(title="Sites, by allele frequency", xlabel="MAF, %", ylabel="mean estimated r2 less mean true r2")


def _filters(panel: Axes, label: str, calibration: Calibration, score: str) -> None:
    qualities = [groups[-1][1] for groups in calibration.scores[score].filters]
    (line,) = panel.plot([quality.recall for quality in qualities], [quality.precision for quality in qualities], "o")
    line.set_label(label)
    for quality in qualities:
        panel.annotate(f" {quality.threshold:g}", (quality.recall, quality.precision), fontsize="small")
    panel.margins(0.15)
    cuts = " and ".join(f"{threshold:g}" for threshold in FILTER_THRESHOLDS)
    panel.set(title=f"Filters at {cuts}", xlabel="recall", ylabel="precision")
