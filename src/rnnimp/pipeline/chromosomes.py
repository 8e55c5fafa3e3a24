"""Several chromosomes in one command: paths with a place for the chromosome's name, and one run after the other.

`{chrom}` in a path stands for the name, `1` to `22` or `X`. So does `@` in the last part of a path, where no file of
that very name exists.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from rnnimp.errors import DataError, RnnimpError, SettingsError
from rnnimp.wording import counted, first_few, shortened

PLACE = "{chrom}"
SHORT_PLACE = "@"
CHROMOSOMES = (*map(str, range(1, 23)), "X")
"""The names that a command goes through, in this order."""

Settings = TypeVar("Settings")

logger = logging.getLogger(__name__)


def has_place(path: str) -> bool:
    """Whether a path has a place for the chromosome's name.

    >>> has_place("chr{chrom}/all.vcf.gz"), has_place("me@there/chr@.vcf.gz"), has_place("me@there/all.vcf.gz")
    (True, True, False)
    """
    return PLACE in path or SHORT_PLACE in path.rpartition("/")[2]


def filled(path: str, chromosome: str) -> str:
    """The path of one chromosome; a path without a place stays.

    >>> filled("a@b/chr{chrom}.{chrom}", "22"), filled("a@b/chr@.vcf.gz", "X")
    ('a@b/chr22.22', 'a@b/chrX.vcf.gz')
    """
    if PLACE in path:
        return path.replace(PLACE, chromosome)
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.replace(SHORT_PLACE, chromosome)}"


def filled_input(path: str, chromosome: str) -> str:
    """As `filled`, but a file of that very name is taken as it is."""
    return path if PLACE not in path and Path(path).exists() else filled(path, chromosome)


def parse_chromosomes(text: str) -> tuple[str, ...]:
    """The chromosomes of a list with ranges, in the order of `CHROMOSOMES`.

    Raises:
        SettingsError: if it names anything else.

    >>> parse_chromosomes("20-22,X,3")
    ('3', '20', '21', '22', 'X')
    """
    chosen: set[str] = set()
    for part in text.split(","):
        first, dash, last = (word.strip().removeprefix("chr") for word in part.strip().partition("-"))
        bounds = [first, last] if dash else [first, first]
        if not all(name in CHROMOSOMES for name in bounds) or (dash and "X" in bounds):
            raise SettingsError(f"--chromosomes expects a list such as 1-22,X, found '{shortened(text)}'")
        start, end = map(CHROMOSOMES.index, bounds)
        if end < start:
            raise SettingsError(f"--chromosomes expects rising ranges such as 1-22, found '{shortened(part)}'")
        chosen.update(CHROMOSOMES[start : end + 1])
    return tuple(name for name in CHROMOSOMES if name in chosen)


def chosen_chromosomes(
    names: tuple[str, ...] | None, paths: Mapping[str, str], exists: Callable[[str], bool], what: str
) -> tuple[str, ...]:
    """The chromosomes to work on: those that are asked for, or all that are there.

    Args:
        names: Those that are asked for; None for all that are there.
        paths: The path of each chromosome.
        exists: Whether a path is there.
        what: What the paths are, for the message, as `models`.

    Raises:
        DataError: if none is there, or one that is asked for is not.
    """
    there = tuple(name for name in names or CHROMOSOMES if exists(paths[name]))
    absent = [name for name in names or () if name not in there]
    if absent:
        listed = first_few([f"{name} ({paths[name]})" for name in absent])
        raise DataError(f"expected {what} of each chromosome, found none of {listed}; check --chromosomes")
    if not there:
        raise DataError(f"expected {what} of chromosomes, such as {paths[CHROMOSOMES[-2]]}, found none; check the path")
    return there


def each_chromosome(parts: Mapping[str, Settings], work: Callable[[str, Settings], None], done: str) -> None:
    """Work on one chromosome after the other; one that fails does not stop the others.

    Args:
        parts: Settings by the chromosome's name.
        work: Works on one chromosome.
        done: What is done to it, for the message, as `imputed`.

    Raises:
        DataError: at the end, naming the chromosomes that failed.
        SettingsError: at once, since it concerns all.
    """
    failed = []
    for number, (name, settings) in enumerate(parts.items(), start=1):
        logger.info("chromosome %s (%d of %d)", name, number, len(parts))
        try:
            work(name, settings)
        except SettingsError:
            raise
        except RnnimpError as error:
            logger.warning("warning: chromosome %s was not %s: %s", name, done, error)
            failed.append(name)
    if failed:
        raise DataError(
            f"{len(failed)} of {counted(len(parts), 'chromosome')} not {done}: {first_few(failed, len(failed))}; the "
            "reasons are above. The others are finished: correct these and run the same command again"
        )
