"""The section on a training: validation by region, how it came about, and the settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnimp.cluster.estimate import in_words
from rnnimp.network.names import HYBRID, NETWORKS, TITLES
from rnnimp.pipeline.recipes import model_recipe
from rnnimp.pipeline.report import charts
from rnnimp.pipeline.report.parts import Chart, Listing, Part, Picture, Section, Table, Value
from rnnimp.pipeline.report.trained import Trained, TrainedRegion
from rnnimp.wording import counted, first_few

FINAL = "final model"
_LOW_R2 = 0.5


def training_section(trained: Trained) -> Section:
    """The section.

    Args:
        trained: A training, or a model whose training is not at hand.
    """
    parts: list[Part] = [_by_region(trained.regions)]
    if any(region.histories for region in trained.regions):
        parts += [_history(trained.regions), _losses(trained.regions)]
    parts += [_regions(trained.regions), _settings(trained)]
    return Section(
        "training",
        "Training",
        "Validation R2 is the mean dosage r2 of the model on people of the panel who were held out from training; it "
        "decided which weights were kept.",
        "Train a region again, or with a denser array, if its final R2 is far below that of its neighbours.",
        tuple(parts),
        facts=tuple(_facts(trained)),
        warnings=tuple(_warnings(trained)),
    )


def _facts(trained: Trained) -> list[tuple[str, str]]:
    manifest, regions = trained.manifest, trained.regions
    final = [r2 for region in regions if (r2 := region.validation_r2()) is not None]
    rows = [("model", trained.name), ("recipe", str(model_recipe(manifest)))]
    rows.append(("regions", f"{len(regions)} of {manifest.n_regions or len(regions)}"))
    rows.append(("imputed sites", f"{sum(region.entry.n_sites for region in regions):,}"))
    for name, title in (("training_samples", "people trained on"), ("validation_samples", "people held out")):
        if (n_people := regions[0].people(name)) is not None:
            rows.append((title, f"{n_people:,}"))
    if final:
        rows.append(("mean final R2 of a region", f"{np.mean(final):.4f}"))
    seconds = [region.seconds for region in regions if region.seconds is not None]
    if seconds:
        rows.append(("time of a region, by its files", f"{in_words(float(np.median(seconds)))} (median)"))
    return [*rows, ("trained by", f"rnnimp {manifest.rnnimp_version}")]


def _warnings(trained: Trained) -> list[str]:
    warnings = []
    n_missing = (trained.manifest.n_regions or 0) - len(trained.regions)
    if n_missing > 0:
        warnings.append(f"{counted(n_missing, 'region')} of the chromosome not trained: see 'rnnimp status'")
    scores = {region.entry.index: region.validation_r2() for region in trained.regions}
    low = [f"region {index} ({r2:.3f})" for index, r2 in scores.items() if r2 is not None and r2 < _LOW_R2]
    if low:
        warnings.append(f"{counted(len(low), 'region')} with a final R2 below {_LOW_R2}: {first_few(low)}")
    return warnings


def _networks(regions: Sequence[TrainedRegion]) -> list[str]:
    """Networks with a score in any region, the final model first."""
    order = [HYBRID, *(name for name in NETWORKS if name != HYBRID)]
    return [name for name in order if any(region.validation_r2(name) is not None for region in regions)]


def _title(network: str) -> str:
    return FINAL if network == HYBRID else TITLES[network]


def _by_region(regions: Sequence[TrainedRegion]) -> Picture:
    networks = _networks(regions)
    rows: list[tuple[Value, ...]] = []
    for region in regions:
        entry = region.entry
        bounds = entry.first_position / 1e6, entry.last_position / 1e6
        rows += [(entry.index, *bounds, sum(bounds) / 2, _title(name), region.validation_r2(name)) for name in networks]
    kinds = charts.series("network", [_title(name) for name in networks], with_dashes=False)
    x, y = charts.place_axis("mb"), charts.quantity("r2", "validation R2", zero=False)
    shown = charts.tooltip(("region", "region", ""), ("network", "", ""), ("r2", "validation R2", ".4f"))
    spans = {
        "params": [charts.brush()],
        "mark": {"type": "rule", "strokeWidth": 2, "clip": True},
        "encoding": {"x": charts.place_axis("start_mb"), "x2": {"field": "end_mb"}, "y": y, "color": kinds["color"]},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 50, "clip": True},
        "encoding": {"x": x, "y": y, **kinds, "tooltip": shown},
    }
    limits = regions[0].entry.first_position / 1e6, regions[-1].entry.last_position / 1e6
    data = Table.of(("region", "start_mb", "end_mb", "mb", "network", "r2"), rows)
    return Picture(
        "validation_by_region",
        "Validation R2 by region",
        f"Lines for {counted(len(regions), 'region')} along the chromosome, at the validation R2 of the final model "
        "and of its parts.",
        "Each line spans the sites that a region imputes. Drag across the picture to zoom in.",
        charts.chart("validation", [spans, points], charts.place_params(*limits)),
        {"validation": data},
        _region_table(regions),
    )


def _region_table(regions: Sequence[TrainedRegion]) -> Table:
    networks = _networks(regions)
    rows = [
        (
            region.entry.index,
            *(region.entry.first_position, region.entry.last_position, region.entry.n_markers, region.entry.n_sites),
            *(region.validation_r2(name) for name in networks),
        )
        for region in regions
    ]
    names = ("region", "from", "to", "markers", "sites")
    return Table.of((*names, *(f"R2, {_title(name)}" for name in networks)), rows)


def _spread(regions: Sequence[TrainedRegion], network: str, column: str) -> list[tuple[float, float, float, float]]:
    """Iteration, lowest, median and highest value of a network over the regions that have a validation there."""
    values: dict[float, list[float]] = {}
    for history in (region.histories.get(network) for region in regions):
        if history is not None:
            for iteration, value in zip(history["iteration"].tolist(), history[column].tolist(), strict=True):
                if value == value:
                    values.setdefault(iteration, []).append(value)
    return [
        (iteration, min(found), round(float(np.median(found)), 7), max(found))
        for iteration, found in sorted(values.items())
    ]


def _history(regions: Sequence[TrainedRegion]) -> Picture:
    networks = [name for name in NETWORKS if any(name in region.histories for region in regions)]
    rows = [(TITLES[name], *row) for name in networks for row in _spread(regions, name, "validation_r2")]
    table = Table.of(("network", "iteration", "lowest", "median", "highest"), rows)
    kinds = charts.series("network", [TITLES[name] for name in networks])
    x = charts.quantity("iteration", "iteration")
    band = {
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {
            "x": x,
            "y": charts.quantity("lowest", "validation R2", zero=False),
            "y2": {"field": "highest"},
            "color": kinds["color"],
        },
    }
    line = {
        "mark": charts.line(18),
        "encoding": {
            "x": x,
            "y": {"field": "median", "type": "quantitative"},
            **kinds,
            "tooltip": charts.tooltip(
                ("network", "", ""), ("iteration", "iteration", ","), ("median", "median R2", ".4f"),
                ("lowest", "lowest", ".4f"), ("highest", "highest", ".4f"),
            ),
        },
    }  # fmt: skip
    return Picture(
        "validation_history",
        "Validation R2 in the course of training",
        "A line per network: the median over the regions, with a band from the lowest to the highest region.",
        f"{counted(len(regions), 'region')}, summarised by median and range. A line that still rises at its end says "
        "that more iterations would help.",
        charts.chart("validation_history", [band, line]),
        {"validation_history": table},
        table,
    )


def _losses(regions: Sequence[TrainedRegion]) -> Picture:
    networks = [name for name in NETWORKS if any(name in region.histories for region in regions)]
    kinds = {"training_loss": "training", "validation_loss": "validation"}
    rows = [
        (f"{TITLES[name]}, {title}", iteration, median)
        for name in networks
        for column, title in kinds.items()
        for iteration, _, median, _ in _spread(regions, name, column)
        if median > 0
    ]
    table = Table.of(("loss", "iteration", "median"), rows)
    labels = [f"{TITLES[name]}, {title}" for name in networks for title in kinds.values()]
    line: Chart = {
        "mark": charts.line(14),
        "encoding": {
            "x": charts.quantity("iteration", "iteration"),
            "y": charts.quantity("median", "loss, logarithmic", type="log"),
            **charts.series("loss", labels),
            "tooltip": charts.tooltip(
                ("loss", "", ""), ("iteration", "iteration", ","), ("median", "median over regions", ".5f")
            ),
        },
    }
    return Picture(
        "losses",
        "Losses in the course of training",
        "Two lines per network: the median loss over the regions, in training and on the people held out.",
        "Medians over the regions. Losses of different networks are weighted differently and do not compare. A "
        "validation loss that rises while the training loss falls means overfitting.",
        charts.chart("losses", [line]),
        {"losses": table},
        table,
    )


def _regions(regions: Sequence[TrainedRegion]) -> Listing:
    scores = [(region.validation_r2(), region) for region in regions]
    known = sorted(((r2, region) for r2, region in scores if r2 is not None), key=lambda pair: pair[0])
    table = _region_table(regions)
    lowest = [table.rows[regions.index(region)] for _, region in known[:10]]
    return Listing("lowest_regions", "Regions with the lowest final R2", Table(table.columns, tuple(lowest)))


def _settings(trained: Trained) -> Listing:
    rows = [(name, _plain(value)) for name, value in sorted(trained.manifest.settings.items())]
    rows += [(f"version of {name}", number) for name, number in sorted(trained.manifest.versions.items())]
    return Listing("training_settings", "Settings and versions of the training", Table.of(("setting", "value"), rows))


def _plain(value: object) -> str:
    return "none" if value is None else str(value)
