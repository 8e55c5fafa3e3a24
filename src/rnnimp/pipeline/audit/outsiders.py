"""Outsiders from a file of their own: a VCF or BCF, or HAPS/LEGEND, with the sites of the model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import VCF_ENDINGS
from rnnimp.errors import DataError
from rnnimp.formats import hapslegend
from rnnimp.formats.sample import read_sample
from rnnimp.formats.vcf import reading as vcf
from rnnimp.sites.matching import match_sites
from rnnimp.sites.panel import MISSING, Panel, PanelStream, Sites

logger = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Of a region's rows that the file must have."""


@dataclass(frozen=True, eq=False)
class Outsiders:
    """Phased haplotypes of people outside the panel, at the sites of the model.

    Attributes:
        panel: Their haplotypes.
        path: Name of the file, for messages.
    """

    panel: Panel
    path: str

    def at(self, sites: Sites) -> NDArray[np.int8]:
        """Their alleles at a region's rows, as the model codes them.

        Args:
            sites: Rows of the region.

        Returns:
            int8 (n_rows, n_haplotypes); -1 where the file has no such site.

        Raises:
            DataError: if the file has fewer than `LEAST_SHARE` of the rows.
        """
        match = match_sites(self.panel.sites, sites)
        is_there = match.target_index >= 0
        n_there = int(np.count_nonzero(is_there))
        if n_there < LEAST_SHARE * len(sites):
            raise DataError(
                f"expected the {len(sites)} sites of the model from {sites.positions[0]} to {sites.positions[-1]}, "
                f"found {n_there} of them; give the same sites as in the panel",
                self.path,
            )
        alleles = np.full((len(sites), self.panel.alleles.shape[1]), MISSING, np.int8)
        alleles[is_there] = self.panel.alleles[match.target_index[is_there]]
        is_exchanged = match.is_swapped[:, None] & (alleles != MISSING)
        return np.where(is_exchanged, 1 - alleles, alleles).astype(np.int8)


def outsider_files(path: str) -> list[str]:
    """The files that outsiders are read from."""
    if path.endswith(VCF_ENDINGS):
        return [path]
    return [str(_of_prefix(path, ending)) for ending in ("hap", "legend", "sample")]


def read_outsiders(path: str, chromosome: str | None, positions: NDArray[np.int64]) -> Outsiders:
    """Read people who are not in the panel.

    Args:
        path: A VCF or BCF, or the prefix of `.hap.gz`, `.legend.gz` and, if it is there, `.sample`.
        chromosome: Chromosome of the model.
        positions: Positions that are needed, int64.

    Raises:
        DataError: if the file cannot be read.
    """
    stream = _open(path, chromosome)
    panel = replace(stream, blocks=_at_positions(stream, positions)).read()
    if path.endswith(VCF_ENDINGS):
        panel = replace(panel, sites=replace(panel.sites, has_reference=True))
    return Outsiders(panel, path)


def _open(path: str, chromosome: str | None) -> PanelStream:
    if path.endswith(VCF_ENDINGS):
        return vcf.open_panel(path, None, chromosome, keep_first_duplicate=True, keep_monomorphic=True)
    hap, legend, sample = (_of_prefix(path, ending) for ending in ("hap", "legend", "sample"))
    return hapslegend.open_panel(hap, legend, sample if sample.exists() else None, chromosome)


def _of_prefix(path: str, ending: str) -> Path:
    packed, plain = Path(f"{path}.{ending}.gz"), Path(f"{path}.{ending}")
    return plain if ending == "sample" or (plain.exists() and not packed.exists()) else packed


def _at_positions(stream: PanelStream, positions: NDArray[np.int64]) -> Iterator[Panel]:
    for block in stream.blocks:
        yield block[np.isin(block.sites.positions, positions)]


def read_names(path: str | None, n_samples: int) -> tuple[str, ...] | None:
    """Names of the panel's samples.

    Args:
        path: A `.sample` file; None if there is none.
        n_samples: Samples of the training files.

    Raises:
        DataError: if the file has another number of names.
    """
    if path is None:
        return None
    names = read_sample(path)
    if len(names) != n_samples:
        raise DataError(f"expected names of {n_samples} samples, as in the training files, found {len(names)}", path)
    return names


def refuse_members(outsiders: Outsiders, names: tuple[str, ...] | None) -> None:
    """Refuse outsiders who have the name of a panel's sample.

    Raises:
        DataError: naming one of them.
    """
    same = sorted(set(outsiders.panel.sample_names) & set(names or ()))
    if same:
        raise DataError(
            f"expected people who are not in the panel, found {len(same)} of its samples, such as {same[0]}; remove "
            "them",
            outsiders.path,
        )
