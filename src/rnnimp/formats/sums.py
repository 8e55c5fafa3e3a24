"""The sums of each site beside a VCF or BCF, so that `rnnimp merge` can pool R2 and INFO without rounding.

A table, tab-separated, with a header line: position, alleles, and the columns of `SiteSums`. Numbers are written so
that reading gives the very same ones.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input
from rnnimp.scoring.site_sums import SiteSums
from rnnimp.sites.panel import Sites

_SUMS = [item.name for item in fields(SiteSums)]
_COLUMNS = ["position", "a0", "a1", *_SUMS]
_IS_WHOLE = [name.startswith("n_") for name in _SUMS]


def sums_header() -> bytes:
    """The header line."""
    return ("\t".join(_COLUMNS) + "\n").encode()


def sums_text(sites: Sites, sums: SiteSums) -> bytes:
    """A line a site."""
    columns = [sites.positions.tolist(), sites.a0.tolist(), sites.a1.tolist()]
    columns += [getattr(sums, name).tolist() for name in _SUMS]
    return "".join("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True)).encode()


def read_sums(path: str | Path) -> tuple[Sites, SiteSums]:
    """Read such a file.

    Raises:
        DataError: naming the line that is malformed.
    """
    rows: list[list[str]] = []
    with open_input(path) as file:
        if file.readline() != sums_header():
            raise DataError(f"expected the columns {' '.join(_COLUMNS)}; is it a file that impute wrote?", path, 1)
        for line, text in enumerate(file, start=2):
            row = text.decode().split()
            if len(row) != len(_COLUMNS):
                raise DataError(f"expected {len(_COLUMNS)} columns, found {len(row)}; make the file again", path, line)
            rows.append(row)
    columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    try:
        sites = Sites.build(map(int, columns[0]), columns[1], columns[2])
        values: list[Any] = [
            np.array(column, dtype=np.int64 if is_whole else np.float64)
            for column, is_whole in zip(columns[3:], _IS_WHOLE, strict=True)
        ]
    except ValueError as error:
        raise DataError(f"expected numbers ({error}); make the file again", path) from error
    return sites, SiteSums(*values)
