"""Report: what other commands leave behind, as one page.

1. Read what is named: results of `impute`, `train`, `evaluate` and `audit`.
2. Make the sections. A section exists where its input exists.
3. Write the page, and on request its pictures and tables as files, and files for MultiQC.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from rnnimp import __version__
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import atomic_output
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.pipeline.report import rendering
from rnnimp.pipeline.report.accuracy import accuracy_section
from rnnimp.pipeline.report.evaluated import Evaluated, evaluated_paths, labelled, read_evaluations
from rnnimp.pipeline.report.figures import figure_paths, write_figures
from rnnimp.pipeline.report.imputation import imputation_section
from rnnimp.pipeline.report.imputed import ImputedFiles, bare_prefix, paths_of, read_imputed
from rnnimp.pipeline.report.multiqc import multiqc_contents, multiqc_paths, write_multiqc
from rnnimp.pipeline.report.page import page
from rnnimp.pipeline.report.parts import Section
from rnnimp.pipeline.report.target import target_section
from rnnimp.pipeline.report.trained import Trained, read_trained, trained_paths
from rnnimp.pipeline.report.training import training_section
from rnnimp.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What to report, and where to.

    Attributes:
        output: The page to write; None for none.
        imputed: Prefix of an imputation; None for none.
        accuracy: Prefixes of evaluations, each as `PREFIX` or `LABEL=PREFIX`.
        training: Prefix of a training, or of a model; None for none.
        audit: JSON file of an audit; None for none.
        figures: Folder for the pictures and tables as files; None for none.
        multiqc: Folder for files that MultiQC reads; None for none.
        title: Title of the page; None for one made from the names of the inputs.
    """

    output: str | None = None
    imputed: str | None = None
    accuracy: tuple[str, ...] = ()
    training: str | None = None
    audit: str | None = None
    figures: str | None = None
    multiqc: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        if self.output is not None:
            require_output_name(self.output, "--output")
        if not any((self.output, self.figures, self.multiqc)):
            raise SettingsError("expected something to write; give --output, --figures or --multiqc")
        if self.multiqc is not None and not any((self.imputed, self.accuracy)):
            raise SettingsError("--multiqc shows imputations and evaluations; give --imputed or --accuracy")
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


@dataclass(frozen=True, eq=False)
class Inputs:
    """What was read.

    Attributes:
        imputed: Results of an imputation; None for none.
        evaluations: Evaluations, in order.
        trained: A training; None for none.
        audit: JSON file of an audit, which is read for its section; None for none.
    """

    imputed: ImputedFiles | None
    evaluations: list[Evaluated]
    trained: Trained | None
    audit: str | None

    def sections(self) -> tuple[Section, ...]:
        """The sections of what there is, in order."""
        found: list[Section | None] = []
        if self.imputed is not None:
            found += [target_section(self.imputed), imputation_section(self.imputed)]
        found.append(accuracy_section(self.evaluations))
        if self.trained is not None:
            found.append(training_section(self.trained))
        if self.audit is not None:
            found.append(_privacy(self.audit))
        return tuple(section for section in found if section is not None)


def run_report(settings: ReportSettings) -> None:
    """Write the page, the figures and the files for MultiQC, as far as they are asked for.

    Args:
        settings: What to report, and where to.

    Raises:
        DataError: if an input is missing or damaged.
        RnnimpError: if the library that draws is needed and not installed.
    """
    start = time.perf_counter()
    pages = [] if settings.output is None else [Path(settings.output)]
    check_outputs(pages, settings.input_files())
    vega = rendering.script() if pages or settings.figures is not None else ""
    inputs = read_inputs(settings)
    sections = inputs.sections() if vega else ()
    if vega and not sections:
        raise DataError("expected results to show, found none; check the prefixes")
    contents = [] if settings.multiqc is None else multiqc_contents(_name(settings), inputs.imputed, inputs.evaluations)
    figures = [] if settings.figures is None else figure_paths(settings.figures, sections)
    check_outputs([*figures, *multiqc_paths(settings.multiqc or "", contents)], [*pages, *settings.input_files()])
    for output in pages:
        text = page(settings.title or f"Report on {_name(settings)}", _subtitle(), sections, vega).encode()
        with atomic_output(output) as file:
            file.write(text)
        names = ", ".join(section.anchor for section in sections)
        logger.info("%s: %s; %.2f MB in %.1f s", output, names, len(text) / 1e6, time.perf_counter() - start)
    if settings.figures is not None:
        write_figures(settings.figures, sections)
        logger.info("%s: %s", settings.figures, counted(len(figures), "file"))
    if settings.multiqc is not None:
        write_multiqc(settings.multiqc, contents)
        logger.info("%s: %s for MultiQC", settings.multiqc, counted(len(contents), "file"))


def read_inputs(settings: ReportSettings) -> Inputs:
    """Read what is to be reported.

    Raises:
        DataError: if an input is missing or damaged.
    """
    return Inputs(
        None if settings.imputed is None else read_imputed(settings.imputed),
        read_evaluations(settings.accuracy),
        None if settings.training is None else read_trained(settings.training),
        settings.audit,
    )


def _privacy(path: str) -> Section:
    # an audit's page names its attacks, whose modules are many; other reports do without them
    from rnnimp.pipeline.report.audited import read_audit
    from rnnimp.pipeline.report.privacy import privacy_section

    return privacy_section(read_audit(path))


def _name(settings: ReportSettings) -> str:
    """The end of the first input's prefix."""
    bare = settings.imputed and bare_prefix(settings.imputed)
    inputs = [bare, *(labelled(text)[1] for text in settings.accuracy), settings.training, settings.audit]
    return next(Path(path).name for path in inputs if path)


def _subtitle() -> str:
    return f"Made by rnnimp {__version__} on {time.strftime('%Y-%m-%d')}."
