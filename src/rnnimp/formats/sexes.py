"""The sex of samples: a table with a header, a PLINK `.psam` or `.fam`, or two columns without a header."""

from __future__ import annotations

from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.formats.names import checked_name
from rnnimp.wording import shortened

_SEX_COLUMNS = ("sex", "gender")
_NAME_COLUMNS = ("iid", "id_2", "sample", "sample_id", "sampleid", "id")
_FAM = ("fid", "iid", "father", "mother", "sex", "phenotype")
_PAIR = ("iid", "sex")
_VALUES = {
    **dict.fromkeys(("1", "m", "male"), True),
    **dict.fromkeys(("2", "f", "female"), False),
    **dict.fromkeys(("0", "-9", "na", "u", "unknown", "."), None),
}


def read_sexes(path: str | Path) -> dict[str, bool | None]:
    """Whether each sample is male; None where the file says that its sex is not known.

    A header has a column `SEX` or `gender`, and a column of names: `IID`, `sample`, `ID_2` or `id`, else the first one.
    Lines without a header have two columns, the name and the sex, or the six of a PLINK `.fam`. Male is `1`, `M` or
    `male`, female `2`, `F` or `female`, in upper or lower case.

    Raises:
        DataError: for a line of another form, a value that is no sex, or a sample that repeats.
    """
    rows = [(number, line.split()) for number, line in enumerate(read_lines(path), start=1)]
    rows = [(number, cells) for number, cells in rows if cells and not cells[0].startswith("##")]
    if not rows:
        raise DataError("expected samples and their sex, found none", path)
    first = [cell.lstrip("#").lower() for cell in rows[0][1]]
    columns = tuple(first) if any(name in first for name in _SEX_COLUMNS) else {2: _PAIR, 6: _FAM}.get(len(first))
    if columns is None:
        found = shortened(" ".join(rows[0][1]))
        raise DataError(
            f"expected a header with a column SEX, or lines 'sample sex', found '{found}'; add the header",
            *(path, rows[0][0]),
        )
    if columns == tuple(first):
        del rows[0]
        if rows and len(rows[0][1]) >= 3 and set(rows[0][1][:3]) == {"0"}:  # Oxford's line of types
            del rows[0]
    sex_column = next(columns.index(name) for name in _SEX_COLUMNS if name in columns)
    name_column = next((columns.index(name) for name in _NAME_COLUMNS if name in columns), 0)
    return _sexes(rows, len(columns), name_column, sex_column, path)


def _sexes(
    rows: list[tuple[int, list[str]]], n_columns: int, name_column: int, sex_column: int, path: str | Path
) -> dict[str, bool | None]:
    sexes: dict[str, bool | None] = {}
    for number, cells in rows:
        if len(cells) != n_columns:
            raise DataError(f"expected {n_columns} columns, found {len(cells)}", path, number)
        name, value = checked_name(cells[name_column], path, number), cells[sex_column].lower()
        if value not in _VALUES:
            raise DataError(
                f"expected 1 or M, 2 or F, or 0 as sex, found '{shortened(cells[sex_column])}'", path, number
            )
        if name in sexes:
            raise DataError(f"expected each sample once, found {name} again", path, number)
        sexes[name] = _VALUES[value]
    return sexes
