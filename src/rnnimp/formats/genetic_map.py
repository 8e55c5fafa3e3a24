"""Genetic maps: where along a chromosome crossovers fall.

Read are tables of positions and centimorgans, plain or gzipped: `pos chr cM` (SHAPEIT),
`Chromosome Position(bp) Rate(cM/Mb) Map(cM)` (HapMap) and PLINK's `chr id cM pos` without a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.wording import shortened

CM_PER_BASE = 1e-6
"""Beyond the ends of a map: 1 cM a million base pairs, the human genome's mean."""

_POSITION_NAMES = ("pos", "position", "position(bp)", "bp")
_CM_NAMES = ("cm", "map(cm)", "genetic_map(cm)")


@dataclass(frozen=True, eq=False)
class GeneticMap:
    """A map of one chromosome.

    Attributes:
        positions: int64 (n,), base pairs, rising.
        map_cm: float64 (n,), centimorgans, not falling.
    """

    positions: NDArray[np.int64]
    map_cm: NDArray[np.float64]

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Genetic positions, float64, between the map's by straight lines.

        >>> GeneticMap(np.array([100, 200]), np.array([1.0, 3.0])).at(np.array([100, 150, 1000200])).tolist()
        [1.0, 2.0, 4.0]
        """
        inside = np.clip(positions, self.positions[0], self.positions[-1])
        between = np.interp(inside, self.positions, self.map_cm)
        return np.asarray(between + (positions - inside) * CM_PER_BASE)


def read_genetic_map(path: str | Path) -> GeneticMap:
    """Read a map of one chromosome.

    Raises:
        DataError: if a line is no such table's, or the map falls.
    """
    lines = [(number, line.split()) for number, line in enumerate(read_lines(path), start=1) if line.strip()]
    if not lines:
        raise DataError("expected a genetic map, as 'pos chr cM', found nothing", path)
    at_position, at_cm, has_header = _columns(lines[0][1], path)
    rows = [_row(fields, at_position, at_cm, path, number) for number, fields in lines[has_header:]]
    if len(rows) < 2:
        raise DataError(f"expected two positions or more, found {len(rows)}", path)
    positions, map_cm = (np.array(column) for column in zip(*rows, strict=True))
    falls = np.flatnonzero((np.diff(positions) <= 0) | (np.diff(map_cm) < 0))
    if falls.size:
        number = lines[has_header:][int(falls[0]) + 1][0]
        raise DataError(
            "expected rising positions and cM that do not fall, found otherwise; one chromosome a file", path, number
        )
    return GeneticMap(positions.astype(np.int64), map_cm.astype(np.float64))


def _columns(first: list[str], path: str | Path) -> tuple[int, int, int]:
    """Columns of position and cM, and whether (1) or not (0) the first line is a header."""
    names = [name.lower() for name in first]
    position = [index for index, name in enumerate(names) if name in _POSITION_NAMES]
    map_cm = [index for index, name in enumerate(names) if name in _CM_NAMES]
    if position and map_cm:
        return position[0], map_cm[0], 1
    if len(first) == 4 and first[3].isdigit():
        return 3, 2, 0
    raise DataError(
        f"expected a genetic map with a header, as 'pos chr cM', or PLINK's 'chr id cM pos', found "
        f"'{shortened(' '.join(first))}'",
        path,
        1,
    )


def _row(fields: list[str], at_position: int, at_cm: int, path: str | Path, number: int) -> tuple[int, float]:
    try:
        return int(fields[at_position]), float(fields[at_cm])
    except (IndexError, ValueError):
        raise DataError(
            f"expected a position and centimorgans, found '{shortened(' '.join(fields))}'", path, number
        ) from None
