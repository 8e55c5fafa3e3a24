"""What is found out about a file or a model: plain values by name, and the count of sites that many formats share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnimp.sites.genome_build import build_of_length, possible_builds

MOST_RECORDS = 2_000_000
"""Records of a file that are counted; of a larger file it is said that these are the first."""

MOST_CELLS = 300_000_000
"""The same for cells, records times samples."""

SAMPLED_RECORDS = 1_000
"""Records whose genotypes are looked at, the first of a file."""

NOT_ALL = "the first records; the file has more"
ALL = "all"
BY_INDEX = "by the index"
BY_HEADER = "by the file's header"


@dataclass(frozen=True)
class Inspection:
    """What a file or a model is.

    Attributes:
        path: Path as it was given.
        kind: What it is, in words.
        facts: Plain values by name, as JSON has them; None for what is not known.
        problems: What is wrong with it, one line each.
    """

    path: str
    kind: str
    facts: Mapping[str, Any]
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON output."""
        return {"path": self.path, "kind": self.kind, **self.facts, "problems": list(self.problems)}


class SiteTally:
    """Counts sites and their places while they pass by.

    Attributes:
        n_sites: Number of sites so far.
    """

    def __init__(self) -> None:
        self.n_sites = 0
        self._places: dict[str | None, list[int]] = {}

    def add(self, chromosome: str | None, position: int) -> None:
        """Count a site; the chromosome is None where the file does not name it."""
        self.n_sites += 1
        place = self._places.get(chromosome)
        if place is None:
            self._places[chromosome] = [1, position, position]
            return
        place[0] += 1
        place[1] = min(place[1], position)
        place[2] = max(place[2], position)

    @property
    def chromosomes(self) -> list[str]:
        """Names of the chromosomes so far."""
        return [name for name in self._places if name is not None]

    def facts(self, is_whole: bool, lengths: Mapping[str, int | None] | None = None) -> dict[str, Any]:
        """The counts by name.

        Args:
            is_whole: Whether all sites of the file were counted.
            lengths: Lengths of the chromosomes in base pairs, where the file has them.
        """
        places = {
            name or "": {"sites": n_sites, "first_position": first, "last_position": last}
            for name, (n_sites, first, last) in self._places.items()
        }
        return place_facts(self.n_sites, ALL if is_whole else NOT_ALL, places, lengths)


def place_facts(
    n_sites: int, counted: str, places: Mapping[str, Mapping[str, int | None]], lengths: Mapping[str, int | None] | None
) -> dict[str, Any]:
    """The sites and their places by name.

    Args:
        n_sites: Number of sites.
        counted: How they were counted, as `ALL`.
        places: Number of sites, first and last position of each chromosome; "" for one that is not named.
        lengths: Lengths of the chromosomes, where they are known.
    """
    ends = {name: place["last_position"] for name, place in places.items()}
    builds, evidence = genome_builds(ends, lengths or {})
    return {
        "sites": n_sites,
        "sites_counted": counted,
        "chromosomes": {name: dict(place) for name, place in places.items()},
        "genome_builds": builds,
        "genome_build_by": evidence,
    }


def genome_builds(
    ends: Mapping[str, int | None], lengths: Mapping[str, int | None]
) -> tuple[list[str] | None, str | None]:
    """The builds that the sites may be of, and what says so.

    Args:
        ends: Last position on each chromosome, where it is known.
        lengths: Length of each chromosome, where the file has it.

    Returns:
        Names of builds and the evidence; None if nothing can be said.

    >>> genome_builds({"22": 51_000_000}, {"22": 51_304_566})
    (['GRCh37'], 'length in the header')
    >>> genome_builds({"22": 51_000_000}, {}), genome_builds({"22": 100}, {})
    ((['GRCh37', 'T2T-CHM13v2'], 'last position'), (None, None))
    """
    known = {name: length for name, length in lengths.items() if length is not None and name in ends}
    found = {build_of_length(name, length) for name, length in known.items()} - {None}
    if len(found) == 1:
        return [str(*found)], "length in the header"
    possible = [possible_builds(name, end) for name, end in ends.items() if name and end is not None]
    everything = possible_builds(None, 1)
    builds = [build for build in everything if all(build in names for names in possible)]
    return (None, None) if len(builds) == len(everything) else (builds, "last position")
