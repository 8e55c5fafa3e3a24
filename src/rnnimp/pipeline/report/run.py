"""Report: what other commands leave behind, as one page.

1. Read what is named: results of `impute`, `train`, `evaluate` and `audit`.
2. Make the sections. A section exists where its input exists.
3. Write the page, and on request its pictures and tables as files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnnimp import __version__
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import atomic_output
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.pipeline.report import rendering
from rnnimp.pipeline.report.accuracy import accuracy_section
from rnnimp.pipeline.report.evaluated import evaluated_paths, labelled, read_evaluations
from rnnimp.pipeline.report.figures import figure_paths, write_figures
from rnnimp.pipeline.report.imputation import imputation_section
from rnnimp.pipeline.report.imputed import bare_prefix, paths_of, read_imputed
from rnnimp.pipeline.report.page import page
from rnnimp.pipeline.report.parts import Section
from rnnimp.pipeline.report.target import target_section
from rnnimp.pipeline.report.trained import read_trained, trained_paths
from rnnimp.pipeline.report.training import training_section

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What to report, and where to.

    Attributes:
        output: The page to write.
        imputed: Prefix of an imputation; None for none.
        accuracy: Prefixes of evaluations, each as `PREFIX` or `LABEL=PREFIX`.
        training: Prefix of a training, or of a model; None for none.
        audit: JSON file of an audit; None for none.
        figures: Folder for the pictures and tables as files; None for none.
        title: Title of the page; None for one made from the names of the inputs.
    """

    output: str
    imputed: str | None = None
    accuracy: tuple[str, ...] = ()
    training: str | None = None
    audit: str | None = None
    figures: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        require_output_name(self.output, "--output")
        for text in self.accuracy:
            labelled(text)
        if not any((self.imputed, self.accuracy, self.training, self.audit)):
            raise SettingsError("expected something to report; give --imputed, --accuracy, --training or --audit")

    def input_files(self) -> list[str | Path]:
        """All files that may be read."""
        found: list[str | Path] = [] if self.imputed is None else [*paths_of(self.imputed).values()]
        found += [path for text in self.accuracy for path in evaluated_paths(labelled(text)[1])]
        found += [] if self.training is None else trained_paths(self.training)
        return found + ([] if self.audit is None else [self.audit])


def run_report(settings: ReportSettings) -> Path:
    """Write the report.

    Args:
        settings: What to report, and where to.

    Returns:
        The path of the page.

    Raises:
        DataError: if an input is missing or damaged.
        RnnimpError: if the library that draws is not installed.
    """
    start = time.perf_counter()
    output = Path(settings.output)
    check_outputs([output], settings.input_files())
    vega = rendering.script()
    sections = tuple(_sections(settings))
    if not sections:
        raise DataError("expected results to show, found none; check the prefixes")
    if settings.figures is not None:
        check_outputs(figure_paths(settings.figures, sections), [output, *settings.input_files()])
    text = page(settings.title or _title(settings), _subtitle(), sections, vega).encode()
    with atomic_output(output) as file:
        file.write(text)
    if settings.figures is not None:
        write_figures(settings.figures, sections)
    names = ", ".join(section.anchor for section in sections)
    seconds = time.perf_counter() - start
    logger.info("%s: %s; %.2f MB in %.1f s", output, names, len(text) / 1e6, seconds)
    return output


def _sections(settings: ReportSettings) -> Iterator[Section]:
    found: list[Section | None] = []
    if settings.imputed is not None:
        imputed = read_imputed(settings.imputed)
        found += [target_section(imputed), imputation_section(imputed)]
    found.append(accuracy_section(read_evaluations(settings.accuracy)))
    if settings.training is not None:
        found.append(training_section(read_trained(settings.training)))
    if settings.audit is not None:
        found.append(_privacy(settings.audit))
    yield from (section for section in found if section is not None)


def _privacy(path: str) -> Section:
    # an audit's page names its attacks, whose modules are many; other reports do without them
    from rnnimp.pipeline.report.audited import read_audit
    from rnnimp.pipeline.report.privacy import privacy_section

    return privacy_section(read_audit(path))


def _title(settings: ReportSettings) -> str:
    bare = settings.imputed and bare_prefix(settings.imputed)
    inputs = [bare, *(labelled(text)[1] for text in settings.accuracy), settings.training, settings.audit]
    name = next(Path(path).name for path in inputs if path)
    return f"Report on {name}"


def _subtitle() -> str:
    return f"Made by rnnimp {__version__} on {time.strftime('%Y-%m-%d')}."
