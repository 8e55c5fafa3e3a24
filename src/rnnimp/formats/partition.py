"""The BED file that cuts chromosomes into blocks of linkage disequilibrium, such as `fourier_ls-all.bed`."""

from __future__ import annotations

from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import read_lines
from rnnimp.numbers import whole_number
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.wording import first_few, shortened


def read_partition(path: str | Path, chromosome: str | None = None) -> list[int]:
    """Last positions of the blocks of one chromosome.

    Columns are `chr start stop`, with any white space between; a header line that begins with `chr` and a word
    `start` is passed over, as are empty lines.

    Args:
        path: The BED file.
        chromosome: The chromosome, as `22` or `chr22`; may be None where the file holds a single one.

    Returns:
        The stops, rising.

    Raises:
        DataError: for a malformed line, blocks that go back, a chromosome that is absent, or several of them
            where none was named.
    """
    stops: dict[str, list[int]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split()
        if not fields or fields[1:2] == ["start"] or fields[0].startswith(("#", "track", "browser")):
            continue
        try:
            start, stop = (whole_number(text) for text in fields[1:3])
        except ValueError:
            raise DataError(f"expected 'chr start stop', found '{shortened(line)}'", path, number) from None
        if start >= stop:
            raise DataError(f"expected a start below the stop, found {start} and {stop}", path, number)
        blocks = stops.setdefault(plain_chromosome(fields[0]), [])
        if blocks and stop <= blocks[-1]:
            raise DataError(f"expected rising stops, found {stop} after {blocks[-1]}; sort the file", path, number)
        if blocks and start < blocks[-1]:
            raise DataError(
                f"expected blocks that do not overlap, found start {start} before the last stop {blocks[-1]}",
                path,
                number,
            )
        blocks.append(stop)
    return _of_chromosome(stops, chromosome, path)


def _of_chromosome(stops: dict[str, list[int]], chromosome: str | None, path: str | Path) -> list[int]:
    if chromosome is None:
        if len(stops) == 1:
            return next(iter(stops.values()))
        raise DataError(
            f"expected blocks of one chromosome, found {len(stops)} ({first_few(list(stops))}); name it with "
            "--chromosome",
            path,
        )
    if blocks := stops.get(plain_chromosome(chromosome)):
        return blocks
    raise DataError(f"expected blocks of chromosome {chromosome}, found none; check the name and the file", path)
