"""Groups of samples, such as populations: a text file with a name and a group per line, a tab between."""

from __future__ import annotations

from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.formats.names import checked_name
from rnnimp.wording import shortened


def read_groups(path: str | Path) -> dict[str, str]:
    """The group of each sample by name. Empty lines, and those that begin with `#`, are skipped.

    Raises:
        DataError: for a line without two columns, a sample that repeats, or an empty file.
    """
    groups: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 2 or not all(cells):
            raise DataError(
                f"expected a sample and its group with a tab between, found '{shortened(line)}'; of a table with more "
                "columns, take two with 'cut -f'",
                path,
                number,
            )
        sample, group = (checked_name(cell, path, number) for cell in cells)
        if groups.setdefault(sample, group) != group:
            raise DataError(
                f"expected one group per sample, found {sample} in {groups[sample]} and {group}", path, number
            )
    if not groups:
        raise DataError("expected samples and their groups, found none", path)
    return groups
