"""The findings of a check as text: figures, expected accuracy by region, warnings, and what imputing would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from rnnimp.formats.tables import aligned_text
from rnnimp.pipeline.impute.report import TargetReport, report_lines
from rnnimp.wording import counted, printable

_MOST_REGIONS = 20
_WIDTH = 100


def check_text(report: TargetReport, sections: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The text that `rnnimp check` prints.

    Args:
        report: What imputing would report.
        sections: Sections on call rates, Hardy-Weinberg proportions, equal samples and expected accuracy.
        names: What was checked, by `target` and `model`.
    """
    lines = [f"target: {names['target']}", f"model: {names['model']}", _build_line(report), *report_lines(report)]
    lines += [_call_rate_line(sections["call_rates"]), _hardy_weinberg_line(sections["hardy_weinberg"])]
    lines.append(_same_line(sections["same_samples"]))
    text = "".join(f"{printable(line)}\n" for line in lines)
    findings = [f"error: {line}" for line in report.errors] + [f"warning: {line}" for line in report.warnings]
    found = "".join(f"{printable(line)}\n" for line in [*findings, _result(report)])
    return f"{text}\n{_expected_text(sections['expected_accuracy'])}\n{found}"


def _build_line(report: TargetReport) -> str:
    build = report.genome_build
    found = {who: " or ".join(build[f"possible_for_{who}"]) or "not known" for who in ("target", "model")}
    how = "by the header" if build["target"] else "by positions"
    return f"genome build: of the target {found['target']} ({how}), of the model {found['model']} (by positions)"


def _call_rate_line(rates: Mapping[str, Any]) -> str:
    texts = [
        f"{name} {_percent(rates[name]['mean'])} on average, {_percent(rates[name]['least'])} at least"
        for name in ("samples", "sites")
    ]
    return f"call rates: {'; '.join(texts)}"


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{100 * value:.2f}%"


def _hardy_weinberg_line(found: Mapping[str, Any]) -> str:
    below = ", ".join(f"{number} with p under {threshold}" for threshold, number in found["below"].items())
    return f"Hardy-Weinberg proportions ({found['test']}): {counted(found['sites_tested'], 'site')} tested, {below}"


def _same_line(found: Mapping[str, Any]) -> str:
    if not found["sites_compared"]:
        return "samples with the same genotypes: not looked for, the target has too few common sites"
    return (
        f"samples with the same genotypes: {counted(len(found['pairs']), 'pair')}, by "
        f"{counted(found['sites_compared'], 'site')}"
    )


def _expected_text(expected: Mapping[str, Any]) -> str:
    """How many regions have which expectation, those with the fewest markers, and what this rests on."""
    regions = expected["regions"]
    levels = Counter(region["expectation"] for region in sorted(regions, key=lambda region: -region["marker_share"]))
    summary = ", ".join(f"{number} {level}" for level, number in levels.items()) or "none"
    shown = sorted(regions, key=lambda region: region["marker_share"])[:_MOST_REGIONS]
    which = "" if len(shown) == len(regions) else f"; the {_MOST_REGIONS} with the fewest markers:"
    table = aligned_text([("region", "first", "last", "markers", "validation r2", "expected"), *map(_row, shown)])
    return f"expected accuracy of {counted(len(regions), 'region')}: {summary}{which}\n{table}{_basis(expected)}\n"


def _row(region: Mapping[str, Any]) -> Sequence[str]:
    r2 = region["validation_r2"]
    return (
        *(str(region[name]) for name in ("index", "first_imputed", "last_imputed")),
        f"{100 * region['marker_share']:.1f}%",
        "not known" if r2 is None else f"{r2:.3f}",
        region["expectation"],
    )


def _basis(expected: Mapping[str, Any]) -> str:
    return fill(f"Basis: {expected['basis']}", _WIDTH)


def _result(report: TargetReport) -> str:
    if report.errors:
        return f"result: rnnimp impute would stop: {counted(len(report.errors), 'error')}"
    found = counted(len(report.warnings), "warning") if report.warnings else "no warning"
    return f"result: rnnimp impute would run, {found}"
