"""The pictures and tables of a report as files of their own: SVG, PNG and TSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import write_table
from rnnimp.pipeline.report import rendering
from rnnimp.pipeline.report.parts import Listing, Markup, Part, Picture, Section

_DECIMALS = 6


def figure_paths(folder: str | Path, sections: Sequence[Section]) -> list[Path]:
    """The files that `write_figures` writes."""
    return [
        Path(folder) / f"{part.name}.{ending}"
        for part in _parts(sections)
        for ending in (("svg", "png", "tsv") if isinstance(part, Picture) else ("tsv",))
    ]


def write_figures(folder: str | Path, sections: Sequence[Section]) -> None:
    """Write each picture as SVG and PNG, and each table as TSV. Files of one picture take their names together.

    Raises:
        DataError: if the folder cannot be written.
    """
    for part in _parts(sections):
        with AtomicGroup() as group:
            if isinstance(part, Picture):
                group.open(Path(folder) / f"{part.name}.svg").write(rendering.svg(part).encode())
                group.open(Path(folder) / f"{part.name}.png").write(rendering.png(part))
            file = group.open(Path(folder) / f"{part.name}.tsv")
            write_table(file, part.table.columns, part.table.texts(_DECIMALS))


def _parts(sections: Sequence[Section]) -> list[Picture | Listing]:
    parts: list[Part] = [part for section in sections for part in section.parts]
    return [part for part in parts if not isinstance(part, Markup)]
