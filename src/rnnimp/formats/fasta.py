"""One chromosome's sequence from a FASTA file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.wording import first_few, shortened

_LETTERS = frozenset("ACGTURYSWKMBDHVN-*")  # of bases and of sets of them


def read_chromosome(path: str | Path, chromosome: str) -> str:
    """The sequence of a chromosome, in capital letters.

    The index `.fai` beside the file is used, or made; where the folder cannot be written, one is made for the moment.

    Args:
        path: A FASTA file, not compressed.
        chromosome: `chr22` and `22` are the same, and so are `chrM` and `MT`.

    Raises:
        DataError: if the file is compressed or no FASTA, or lacks the chromosome.
    """
    with open_input(path):  # says what is wrong with a path
        pass
    with Path(path).open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise DataError("expected a FASTA file that is not compressed; unpack it with gunzip", path)
    with tempfile.TemporaryDirectory() as folder:
        fasta = _open(path, Path(folder) / "sequence.fai")
        try:
            names = list(fasta.keys())
            wanted = plain_chromosome(chromosome)
            name = next((name for name in names if plain_chromosome(name) == wanted), None)
            if name is None:
                listed = first_few(names, most=10)
                raise DataError(f"expected the sequence of chromosome {chromosome}, found only {listed}", path)
            return _sequence(fasta, name, path)
        finally:
            fasta.close()


def _sequence(fasta: Any, name: str, path: str | Path) -> str:
    try:
        sequence = str(fasta[name][:])
    except Exception as error:  # pyfaidx raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"expected the sequence of {shortened(name)}, found damaged data ({reason})", path) from error
    odd = set(sequence) - _LETTERS
    if odd or not sequence:
        found = f"'{shortened(min(odd))}' in it" if odd else "none"
        raise DataError(
            f"expected bases as the sequence of {shortened(name)}, found {found}; delete the index {path}.fai if it is "
            "older than the file, or get the file again",
            path,
        )
    return sequence


def _open(path: str | Path, other_index: Path) -> Any:
    from pyfaidx import Fasta

    try:
        try:
            return Fasta(str(path), as_raw=True, sequence_always_upper=True)
        except OSError:
            return Fasta(str(path), indexname=str(other_index), as_raw=True, sequence_always_upper=True)
    except Exception as error:  # pyfaidx raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"expected a FASTA file with lines of equal length, found something else ({reason})", path
        ) from error
