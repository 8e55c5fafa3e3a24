"""Results as custom content of MultiQC, which joins those of many runs in one report.

Each file has one section. Sections of several runs, such as those of 22 chromosomes, have the same `id`, so that
MultiQC shows the runs side by side. It takes headers from any of the files, so each has all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnimp.formats.files import AtomicGroup
from rnnimp.pipeline.report.binning import CLASS_NAMES, FAIR_R2, GOOD_R2, grouped
from rnnimp.pipeline.report.evaluated import ALL, Evaluated
from rnnimp.pipeline.report.imputed import IMPUTED_KIND, ImputedFiles, ImputedSites
from rnnimp.pipeline.report.outstanding_samples import outstanding
from rnnimp.pipeline.report.reading import number

_PARENT = {"parent_id": "rnnimp", "parent_name": "rnnimp", "parent_description": "Genotype imputation with rnnimp."}
_FAIR, _GOOD = f"kept_{FAIR_R2:g}", f"kept_{GOOD_R2:g}"
_COUNT = {"format": "{:,.0f}", "min": 0}
_SHARE = {"min": 0, "max": 1, "format": "{:.3f}"}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "samples": {"title": "Samples", "description": "Imputed samples", "scale": "Greys", **_COUNT},
    "markers": {"title": "Markers", "description": "Share of the model's markers in the target", **_SHARE},
    "imputed_sites": {"title": "Imputed sites", "description": "Sites that were imputed", "scale": "Blues", **_COUNT},
    "mean_r2": {"title": "Mean R2", "description": "Mean estimated R2 of imputed sites", "scale": "YlGn", **_SHARE},
    _FAIR: {"title": f"R2 >= {FAIR_R2}", "description": "Share of imputed sites", "scale": "YlGn", **_SHARE},
    _GOOD: {"title": f"R2 >= {GOOD_R2}", "description": "Share of imputed sites", "scale": "YlGn", **_SHARE},
    "true_r2": {"title": "True r2", "description": "Mean dosage r2 against the truth", "scale": "YlGn", **_SHARE},
}


@dataclass(frozen=True)
class Content:
    """A file for MultiQC.

    Attributes:
        name: Name of the file.
        content: What it has.
    """

    name: str
    content: dict[str, Any]


def multiqc_contents(run: str, imputed: ImputedFiles | None, evaluations: Sequence[Evaluated]) -> list[Content]:
    """The files of a run.

    Args:
        run: Name of the run; MultiQC calls it a sample.
        imputed: Results of an imputation; None for none.
        evaluations: Evaluations, each with its own name. That of a single one is the name of the run.
    """
    named = [(run if len(evaluations) == 1 else f"{run} {part.label}", part) for part in evaluations]
    sections = [_general(run, imputed, named)]
    if imputed is not None and imputed.sites is not None:
        sections.append(_r2(run, imputed.sites))
    if imputed is not None and imputed.samples is not None:
        sections += _outstanding(run, imputed)
    if named:
        sections.append(_accuracy(named))
    return [Content(f"{run}.{section['id']}_mqc.json", section) for section in sections if section["data"]]


def multiqc_paths(folder: str | Path, contents: Sequence[Content]) -> list[Path]:
    """The files that `write_multiqc` writes."""
    return [Path(folder) / each.name for each in contents]


def write_multiqc(folder: str | Path, contents: Sequence[Content]) -> None:
    """Write the files of a run, which take their names together.

    Raises:
        DataError: if the folder cannot be written.
    """
    with AtomicGroup() as group:
        for path, each in zip(multiqc_paths(folder, contents), contents, strict=True):
            text = json.dumps(each.content, indent=2, allow_nan=False)
            group.open(path).write(f"{text}\n".encode())


def _general(run: str, imputed: ImputedFiles | None, named: Sequence[tuple[str, Evaluated]]) -> dict[str, Any]:
    """Columns of the table of all runs."""
    data: dict[str, dict[str, Any]] = {}
    if imputed is not None and (found := dict(_numbers(imputed))):
        data[run] = found
    for name, part in named:
        r2 = number(part.overall()["mean_r2"])
        if r2 is not None:
            data.setdefault(name, {})["true_r2"] = r2
    headers = [{column: header} for column, header in _HEADERS.items()]
    return {"id": "rnnimp_general", "plot_type": "generalstats", "headers": headers, "data": data}


def _numbers(imputed: ImputedFiles) -> Iterator[tuple[str, float]]:
    if imputed.samples is not None:
        yield "samples", len(imputed.samples.names)
    if imputed.checks is not None:
        counts = imputed.checks["counts"]
        n_markers = counts["observed_markers"] + counts["missing_markers"]
        yield "markers", counts["observed_markers"] / max(1, n_markers)
    if imputed.sites is None:
        return
    r2 = imputed.sites.r2[imputed.sites.kinds == IMPUTED_KIND]
    yield "imputed_sites", len(r2)
    if not np.isnan(r2).all():
        yield "mean_r2", float(np.nanmean(r2))
        yield _FAIR, float(np.mean(r2 >= FAIR_R2))
        yield _GOOD, float(np.mean(r2 >= GOOD_R2))


def _lines(name: str, title: str, description: str, y: str, data: dict[str, Any]) -> dict[str, Any]:
    """A section with a line per run over classes of minor allele frequency."""
    plot = {
        "id": f"{name}_plot",
        "title": f"rnnimp: {title}",
        "xlab": "Minor allele frequency",
        "ylab": y,
        "categories": True,
        "ymin": 0,
        "ymax": 1,
    }
    shown = {"section_name": title, "description": description, "plot_type": "linegraph", "pconfig": plot}
    return {"id": name, **_PARENT, **shown, "data": data}


def _r2(run: str, sites: ImputedSites) -> dict[str, Any]:
    is_imputed = sites.kinds == IMPUTED_KIND
    groups = grouped(sites.r2[is_imputed], sites.classes[is_imputed])
    means = {CLASS_NAMES[group.keys[0]]: group.total / group.n_known for group in groups if group.n_known}
    description = "Mean estimated R2 of imputed sites, by minor allele frequency."
    return _lines("rnnimp_r2", "Estimated R2", description, "Mean R2", {run: means} if means else {})


def _accuracy(named: Sequence[tuple[str, Evaluated]]) -> dict[str, Any]:
    data = {}
    for name, part in named:
        rows = {row["maf_percent"]: number(row["mean_r2"]) for row in part.scores(ALL)}
        known = {f"{label}%": r2 for label, r2 in rows.items() if label != ALL and r2 is not None}
        if known:
            data[name] = known
    description = "Mean dosage r2 against the truth, by minor allele frequency."
    return _lines("rnnimp_accuracy", "Accuracy", description, "Mean r2", data)


def _outstanding(run: str, imputed: ImputedFiles) -> list[dict[str, Any]]:
    """A table of the samples that stand out, if any does."""
    assert imputed.samples is not None
    samples, far = imputed.samples, outstanding(imputed.samples)
    columns = {"uncertainty": samples.uncertainty, "alt_alleles": samples.alt_alleles, "called": samples.called}
    data = {
        f"{run}: {samples.names[row]}": {
            name: float(column[row]) for name, column in columns.items() if not np.isnan(column[row])
        }
        for row in far.tolist()
    }
    headers = {
        "uncertainty": {"title": "Uncertainty", "description": "Mean of p (1 - p)", "format": "{:.4f}"},
        "alt_alleles": {"title": "Imputed alleles a1", **_COUNT},
        "called": {"title": "Called", "description": "Share of alleles called at markers", **_SHARE},
    }
    plot = {"id": "rnnimp_samples_table", "title": "rnnimp: samples that stand out", "col1_header": "Sample"}
    return [
        {
            "id": "rnnimp_samples",
            **_PARENT,
            "section_name": "Samples that stand out",
            "description": "Samples far from the median in uncertainty or number of imputed alleles.",
            "plot_type": "table",
            "pconfig": plot,
            "headers": headers,
            "data": data,
        }
    ]
