"""SAMPLE: the list of a data set's samples, in either of the two kinds that are in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.formats.names import checked_name
from rnnimp.wording import counted


def read_sample(path: str | Path) -> tuple[str, ...]:
    """Sample names of a `.sample` file.

    Two kinds are in use: Oxford's, with the header lines `ID_1 ID_2 missing ...` and `0 0 0 ...` (the name is
    `ID_2`), and the reference panels' `sample population group sex`, with one (the name is the first column).

    Raises:
        DataError: for an empty or malformed file, or a name that repeats or has control characters.
    """
    rows = [line.split() for line in read_lines(path)]
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise DataError("expected sample names under a header, found an empty file", path)
    is_oxford = len(rows) > 1 and len(rows[1]) >= 3 and set(rows[1][:3]) == {"0"}
    column, n_header = (1, 2) if is_oxford else (0, 1)
    names: dict[str, int] = {}
    for line, row in enumerate(rows[n_header:], start=n_header + 1):
        if len(row) <= column:
            raise DataError(f"expected {column + 1} columns or more, found {len(row)}", path, line)
        checked_name(row[column], path, line)
        if row[column] in names:
            raise DataError(
                f"expected each sample once, found {row[column]} as in line {names[row[column]]}", path, line
            )
        names[row[column]] = line
    return tuple(names)


def sample_text(names: Sequence[str]) -> str:
    """An Oxford sample file."""
    return "ID_1 ID_2 missing\n0 0 0\n" + "".join(f"{name} {name} 0\n" for name in names)


def read_samples_of(data: str | Path, sample: str | Path, n_samples: int) -> tuple[str, ...]:
    """The sample names that belong to a file of alleles or genotypes; see `read_sample`.

    Raises:
        DataError: also where there are not as many names as samples.
    """
    names = read_sample(sample)
    if len(names) != n_samples:
        raise DataError(
            f"expected {counted(n_samples, 'sample')} as in {data}, found {len(names)} under the header, which is the "
            "first line, or two in Oxford's format (ID_1 ID_2 missing, 0 0 0); use the file's own list",
            sample,
        )
    return names
