"""Split: a chromosome's panel into two training files per region.

The haplotypes are read twice, in blocks: once for the allele frequencies, once to give each region its rows. In
between, the regions are planned. This needs the sites only.
"""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import MAF_THRESHOLD
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats.files import atomic_output, read_lines
from rnnimp.formats.hapslegend import HapsLegendWriter, open_panel
from rnnimp.formats.partition import read_partition
from rnnimp.pipeline.outputs import check_outputs, require_output_name
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.panel import NO_MARKER_FLAGS, PanelStream, Sites, alt_frequency, chromosome_in_ids, known_chromosome
from rnnimp.sites.ploidy import ABSENT
from rnnimp.sites.regions import Region, RegionLimits, plan_parts
from rnnimp.wording import counted, first_few

logger = logging.getLogger(__name__)

MOST_PARTS = 3
"""Of a chromosome: chrX has two pseudoautosomal regions, and what is between them."""

REGION_INFO_COLUMNS = (
    "imp_start_pos",
    "imp_end_pos",
    "margin_start_pos",
    "margin_end_pos",
    "imp_site_count",
    "marker_count",
    "total_count",
)


@dataclass(frozen=True)
class SplitSettings:
    """Which sites to keep, and the sizes of regions.

    Attributes:
        limits: Sizes of the regions.
        maf_threshold: Imputed sites whose a1 frequency is below it are dropped.
        flip_alleles: Write the rarer allele of each marker as a1.
    """

    limits: RegionLimits = field(default_factory=RegionLimits)
    maf_threshold: float = MAF_THRESHOLD
    flip_alleles: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.maf_threshold <= 0.5:
            raise SettingsError(f"--maf-threshold must lie between 0 and 0.5, found {self.maf_threshold}")


def split(
    hap: str | Path,
    legend: str | Path,
    output_prefix: str | Path,
    settings: SplitSettings,
    partition: str | Path | None = None,
    chromosome: str | None = None,
) -> list[Region]:
    """Write `PREFIX_<i>.hap.gz`, `PREFIX_<i>.legend.gz`, `PREFIX_region_info.txt` and, last, `PREFIX.list`.

    Args:
        hap: The training haplotypes.
        legend: Sites of the haplotypes, with `array_marker_flag`.
        output_prefix: Prefix of the files to write; folders are made.
        settings: Which sites to keep, and the sizes of regions.
        partition: A BED file of blocks to cut at first.
        chromosome: Name of the chromosome; by default detected from the legend, the site ids, or a partition of
            one chromosome.

    Returns:
        The regions, over the rows of the kept sites.
    """
    _check_outputs(str(output_prefix), [hap, legend, partition])
    earlier = _listed_regions(str(output_prefix))
    panel = _open(hap, legend, chromosome)
    stream, sites, has_haploid = _with_frequencies(panel, legend)
    kept, kept_sites = select_sites(sites, settings)
    known, in_ids = known_chromosome(sites), chromosome_in_ids(sites)
    if known is not None and in_ids is not None and not same_chromosome(known, in_ids):
        raise DataError(f"expected chromosome {known}, found ids of chromosome {in_ids}; check --chromosome", legend)
    stops = [] if partition is None else read_partition(partition, known)
    kept_sites = replace(kept_sites, chromosome=known)
    regions = plan_parts(kept_sites, ploidy_parts(has_haploid, sites.positions, legend)[kept], settings.limits, stops)
    assert kept_sites.swapped is not None
    logger.info(
        "%s, %s: %s (%d with alleles swapped) and %d to impute kept, in %s",
        counted(len(stream.sample_names), "sample"),
        counted(len(sites), "site"),
        counted(int(np.count_nonzero(kept_sites.markers())), "marker"),
        np.count_nonzero(kept_sites.swapped),
        np.count_nonzero(~kept_sites.markers()),
        counted(len(regions), "region"),
    )
    _write_regions(
        _open(hap, legend, chromosome),
        str(output_prefix),
        regions,
        kept,
        kept_sites,
    )
    _write_tables(str(output_prefix), regions, kept_sites)
    _remove_stale(str(output_prefix), earlier, len(regions))
    return regions


def _open(hap: str | Path, legend: str | Path, chromosome: str | None) -> PanelStream:
    return open_panel(hap, legend, chromosome=chromosome, keep_monomorphic=False, keep_absent=True)


_ENDINGS = ("hap.gz", "legend.gz")


def _check_outputs(prefix: str, inputs: list[str | Path | None]) -> None:
    """How many regions there will be is not known yet: no region's name may be that of an input."""
    require_output_name(prefix, "--output")
    number = re.compile(re.escape(Path(prefix).name) + r"_(\d+)\.(hap|legend)\.gz")
    folder = Path(prefix).parent
    taken = folder.iterdir() if folder.is_dir() else ()
    regions = [path for path in sorted(taken) if number.fullmatch(path.name)]
    check_outputs([*regions, f"{prefix}_region_info.txt", f"{prefix}.list"], inputs)


def _listed_regions(prefix: str) -> set[str]:
    """Prefixes of the regions that an earlier splitting left under the same prefix."""
    path = Path(f"{prefix}.list")
    return set(read_lines(path)) if path.is_file() else set()


def _remove_stale(prefix: str, earlier: set[str], n_regions: int) -> None:
    """Remove the regions of an earlier splitting that had more of them."""
    stale = sorted(earlier - {f"{prefix}_{number}" for number in range(1, n_regions + 1)})
    stale = [name for name in stale if re.fullmatch(re.escape(prefix) + r"_[1-9]\d*", name)]
    for name in stale:
        for ending in _ENDINGS:
            Path(f"{name}.{ending}").unlink(missing_ok=True)
    if stale:
        logger.warning(
            "warning: removed %s of an earlier splitting into more regions: %s",
            counted(len(stale), "region"),
            first_few(stale),
        )


def _with_frequencies(stream: PanelStream, legend: str | Path) -> tuple[PanelStream, Sites, NDArray[np.bool_]]:
    """The panel, its sites with frequencies, and the sites where a sample is haploid, bool (n_sites,)."""
    parts, has_haploid = [], []
    for block in stream.blocks:
        if block.sites.is_marker is None:
            raise DataError(NO_MARKER_FLAGS, legend, 1)
        parts.append(replace(block.sites, a1_freq=alt_frequency(block.alleles)))
        has_haploid.append((block.alleles == ABSENT).any(axis=1))
    if not parts:
        raise DataError("expected sites, found none; is it the legend of a whole chromosome?", legend)
    return stream, Sites.concatenate(parts), np.concatenate(has_haploid)


def ploidy_parts(has_haploid: NDArray[np.bool_], positions: NDArray[np.int64], legend: str | Path) -> NDArray[np.int64]:
    """Number the parts of a chromosome in which samples keep their ploidy, int64 (n_sites,), from 0.

    Raises:
        DataError: if there are more than chrX has.
    """
    changes = np.flatnonzero(np.diff(has_haploid))
    if len(changes) > MOST_PARTS - 1:
        raise DataError(
            f"expected haploid samples between the two pseudoautosomal regions of chromosome X, found them in "
            f"{(len(changes) + 1 + int(has_haploid[0])) // 2} separate parts, the first change after position "
            f"{positions[changes[0]]}; make the files with rnnimp prepare",
            legend,
        )
    numbers: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.diff(has_haploid))]).astype(np.int64)
    return numbers


def select_sites(sites: Sites, settings: SplitSettings) -> tuple[NDArray[np.int64], Sites]:
    """Choose the sites to keep and swap the alleles of markers whose a1 is the more common one.

    Args:
        sites: All sites, with marker flags and the a1 frequencies.
        settings: Threshold and whether to swap.

    Returns:
        The rows kept, int64, and those sites with `swapped` and `a1_freq` after the swap. Sites without a
        single known allele are dropped.
    """
    is_marker, frequency = sites.markers(), sites.a1_freq
    assert frequency is not None
    is_kept = np.where(is_marker, frequency >= 0, frequency >= settings.maf_threshold)
    kept = np.flatnonzero(is_kept)
    chosen = sites[kept]
    assert chosen.a1_freq is not None
    swapped = chosen.markers() & (chosen.a1_freq > 0.5) & settings.flip_alleles
    return kept, replace(
        chosen,
        a0=np.where(swapped, chosen.a1, chosen.a0),
        a1=np.where(swapped, chosen.a0, chosen.a1),
        a1_freq=np.where(swapped, 1 - chosen.a1_freq, chosen.a1_freq),
        swapped=swapped,
    )


def _write_regions(
    stream: PanelStream, prefix: str, regions: list[Region], kept: NDArray[np.int64], sites: Sites
) -> None:
    """Walk the panel once; a region's files are open from its first row to its last."""
    assert sites.swapped is not None
    waiting = list(enumerate(regions, start=1))[::-1]
    at_work: list[tuple[Region, ExitStack, HapsLegendWriter]] = []
    block_start = 0
    with ExitStack() as guard:
        for block in stream.blocks:
            first, stop = np.searchsorted(kept, [block_start, block_start + len(block.sites)])
            alleles = _swap(block.alleles[kept[first:stop] - block_start], sites.swapped[first:stop])
            block_start += len(block.sites)
            while waiting and waiting[-1][1].rows[0] < stop:
                number, region = waiting.pop()
                own = guard.enter_context(ExitStack())
                at_work.append((region, own, own.enter_context(HapsLegendWriter(f"{prefix}_{number}"))))
            for region, _, writer in at_work:
                rows = region.rows[(region.rows >= first) & (region.rows < stop)]
                writer.write(sites[rows], alleles[rows - first])
            for region, own, _ in at_work:
                if region.rows[-1] < stop:
                    own.close()
            at_work = [entry for entry in at_work if entry[0].rows[-1] >= stop]


def _swap(alleles: NDArray[np.int8], swapped: NDArray[np.bool_]) -> NDArray[np.int8]:
    exchanged = np.where(alleles < 0, alleles, 1 - alleles)
    return np.where(swapped[:, None], exchanged, alleles)


def _write_tables(prefix: str, regions: list[Region], sites: Sites) -> None:
    lines = ["\t".join(REGION_INFO_COLUMNS)]
    for region in regions:
        positions, is_marker = sites.positions[region.rows], sites.markers()[region.rows]
        imputed = positions[~is_marker]
        margins = positions[0], positions[-1]
        counts = len(imputed), int(np.count_nonzero(is_marker)), len(positions)
        lines.append("\t".join(map(str, (imputed[0], imputed[-1], *margins, *counts))))
    with atomic_output(f"{prefix}_region_info.txt") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
    with atomic_output(f"{prefix}.list") as file:
        file.write("".join(f"{prefix}_{number}\n" for number in range(1, len(regions) + 1)).encode())
