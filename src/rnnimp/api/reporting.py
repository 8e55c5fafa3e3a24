"""Results as a page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def report(
    output: str | Path | None = None,
    *,
    imputed: str | Path | None = None,
    accuracy: Sequence[str | Path] = (),
    training: str | Path | None = None,
    audit: str | Path | None = None,
    figures: str | Path | None = None,
    multiqc: str | Path | None = None,
    title: str | None = None,
) -> None:
    """Show results of the commands, or of these functions, as one HTML page. The page needs the extra `report`.

    Args:
        output: The page to write, such as `report.html`. None for no page.
        imputed: Prefix of an imputation by the command `rnnimp impute`.
        accuracy: Prefixes of evaluations; `LABEL=PREFIX` names one.
        training: Prefix of a training, or of a model.
        audit: JSON file of an audit.
        figures: Folder for each picture as SVG and PNG, and each table as TSV. None for none.
        multiqc: Folder for files that MultiQC reads. None for none.
        title: Title of the page. None makes one from the names of the inputs.

    Raises:
        RnnimpError: if there is nothing to show or to write, or an input is missing or damaged.
    """
    from rnnimp.pipeline.report.run import ReportSettings, run_report

    run_report(
        ReportSettings(
            output=_text(output),
            imputed=_text(imputed),
            accuracy=tuple(map(str, accuracy)),
            training=_text(training),
            audit=_text(audit),
            figures=_text(figures),
            multiqc=_text(multiqc),
            title=title,
        )
    )


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
