"""The stage `prepare`: a panel and an array's markers in, training and test data out.

1. Open the panel and read its first block, which shows the chromosome.
2. Read the array's markers, and choose the test samples.
3. Flag each block of sites, and write it to the training files. The test samples go to other files: the truth at all
   sites, and the target at the array's sites only.
4. Give all files their names together.

Memory holds one block of sites.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnimp.choices import BUILDS
from rnnimp.errors import DataError, SettingsError
from rnnimp.formats import hapslegend, marker_list
from rnnimp.formats import illumina_manifest as manifest
from rnnimp.formats.files import AtomicGroup, read_lines
from rnnimp.formats.vcf import reading as vcf
from rnnimp.pipeline.chromosome_x import CHROMOSOME, SexOptions, is_chromosome_x, with_haploid_males
from rnnimp.pipeline.outputs import check_outputs
from rnnimp.sites.array_markers import ArrayMarkers, exchanged_indels, flag_markers
from rnnimp.sites.chromosomes import plain_chromosome
from rnnimp.sites.interval import Interval, chosen_interval
from rnnimp.sites.panel import Panel, PanelStream, Sites, alt_frequency, haplotype_columns, known_chromosome
from rnnimp.sites.ploidy import PloidyRecorder
from rnnimp.wording import counted, first_few, shortened

_DRAW_SEED = 1
_SITES_A_NOTE = 200_000

LEAST_LISTED_SHARE = 0.1
"""Of an array's markers where the panel has sites; with fewer of them in the panel, a warning is due."""

LEAST_DENSITY = 50
"""Markers per million base pairs; below that, a warning is due."""

SHORTEST_SPAN_MB = 0.01
"""Of a panel whose density is judged."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrepareSettings:
    """The panel, the markers and the output; the options of `rnnimp prepare`.

    Attributes:
        output_dir: Folder to which the results are written, in the folders `train` and `test`.
        vcf: A VCF or BCF panel. The other choice is HAPS/LEGEND.
        hap, legend, sample: A HAPS/LEGEND panel; sample names are optional.
        chromosome: Chromosome to use. Needed if the panel has several, and for HAPS/LEGEND to find the markers.
        region: The part of the panel to use.
        manifest, fasta: An Illumina manifest and the reference genome. The other choice is `markers`.
        markers: A list of array markers. With neither, a legend's own flags are used.
        test_samples: A file that names the samples to set apart, one per line.
        draw_test_samples: How many samples to draw at random if that file is absent. They are then written to it.
        name: Name of the files; `chr<N>` if None.
        keep_first_duplicate: Whether repeated sites of a VCF are dropped instead of refused.
        sex: A table of the samples' sex, for chrX. None finds males by their genotypes.
        build: Genome build of a panel of chrX, one of `BUILDS`. None takes it from the header or the genotypes.
    """

    output_dir: Path
    vcf: Path | None = None
    hap: Path | None = None
    legend: Path | None = None
    sample: Path | None = None
    chromosome: str | None = None
    region: str | None = None
    manifest: Path | None = None
    fasta: Path | None = None
    markers: Path | None = None
    test_samples: Path | None = None
    draw_test_samples: int | None = None
    name: str | None = None
    keep_first_duplicate: bool = False
    sex: Path | None = None
    build: str | None = None

    def __post_init__(self) -> None:
        if (self.vcf is None) == (self.hap is None):
            raise SettingsError("expected one panel: give either --vcf, or --hap and --legend")
        if (self.hap is None) != (self.legend is None) or (self.sample is not None and self.hap is None):
            raise SettingsError("expected --hap and --legend together (and --sample only with them)")
        if self.manifest is not None and self.markers is not None:
            raise SettingsError("expected one source of markers: give either --manifest or --markers")
        if (self.manifest is None) != (self.fasta is None):
            raise SettingsError("expected --manifest and --fasta together")
        if self.vcf is not None and self.manifest is None and self.markers is None:
            raise SettingsError("expected array markers: give --manifest and --fasta, or --markers")
        if self.draw_test_samples is not None and (self.draw_test_samples < 1 or self.test_samples is None):
            raise SettingsError(
                "expected --draw-test-samples with a count above 0 and --test-samples, the file to write"
            )
        if self.build is not None and self.build not in BUILDS:
            raise SettingsError(f"--build must be {' or '.join(BUILDS)}, found {self.build}")
        if self.name is not None and (not self.name or "/" in self.name):
            raise SettingsError(f"expected a file name without folders as --name, found '{self.name}'")

    def input_files(self) -> list[Path | None]:
        """All files that may be read."""
        panel = [self.vcf, self.hap, self.legend, self.sample, self.sex]
        return [*panel, self.manifest, self.fasta, self.markers, self.test_samples]


@dataclass(frozen=True)
class PrepareSummary:
    """Numbers of sites and samples that were written.

    Attributes:
        n_sites: Sites of the panel.
        n_flagged: Sites that the array types.
        n_markers: Different markers on the array's list for the chromosome; None if a legend's flags were used.
        n_train: Samples to train on.
        n_test: Samples set apart.
        train_prefix: Prefix of the training files; `.hap.gz`, `.legend.gz` and `.sample` follow.
    """

    n_sites: int
    n_flagged: int
    n_markers: int | None
    n_train: int
    n_test: int
    train_prefix: Path

    def __str__(self) -> str:
        of_list = "" if self.n_markers is None else f" of {counted(self.n_markers, 'marker')} on the list"
        samples = f"{counted(self.n_train, 'sample')} to train on, {self.n_test} set apart"
        return f"{counted(self.n_sites, 'site')}, {self.n_flagged} flagged as array markers{of_list}; {samples}"


def prepare(settings: PrepareSettings) -> PrepareSummary:
    """Write training data, and test data if test samples are named.

    Raises:
        DataError: for bad input, an unknown test sample, or if no site is an array marker.
        SettingsError: for options that contradict each other.
    """
    panel, chromosome = _open(settings)
    markers = _read_markers(settings, chromosome)
    name = settings.name or _default_name(chromosome)
    check_outputs(_output_files(settings, name), settings.input_files())
    with AtomicGroup() as group, ExitStack() as stack:
        test = _test_samples(settings, panel.sample_names, group)
        outputs = _Outputs(settings.output_dir, name, panel.sample_names, test, group, stack)
        n_sites = n_flagged = 0
        span, exchanged = _Span(), list[str]()
        for block in panel.blocks:
            flagged = _flagged(block, markers)
            outputs.write(flagged)
            span.add(block.sites)
            if markers is not None:
                exchanged += block.sites.ids[exchanged_indels(block.sites, markers)].tolist()
            n_flagged += int(np.count_nonzero(flagged.sites.markers()))
            if (n_sites + len(block.sites)) // _SITES_A_NOTE > n_sites // _SITES_A_NOTE:
                _log.info("... %d sites, at %d", n_sites + len(block.sites), block.sites.positions[-1])
            n_sites += len(block.sites)
        if n_flagged == 0:
            raise _nothing_flagged(settings, n_sites, markers)
        _warn_of_markers(span, n_flagged, markers, exchanged)
    n_markers = None if markers is None else len(markers)
    n_test = test.size
    n_train = len(panel.sample_names) - n_test
    return PrepareSummary(n_sites, n_flagged, n_markers, n_train, n_test, _train_prefix(settings, name))


@dataclass
class _Span:
    """From the first to the last site of a panel."""

    first: int = 0
    last: int = 0

    def add(self, sites: Sites) -> None:
        """More sites, in order of position."""
        if len(sites):
            self.first = self.first or int(sites.positions[0])
            self.last = int(sites.positions[-1])


def _warn_of_markers(span: _Span, n_flagged: int, markers: ArrayMarkers | None, exchanged: list[str]) -> None:
    """Say it where few markers of the list are in the panel, or few markers at all: another build, or another list.

    Args:
        span: Span of the panel.
        n_flagged: Markers among its sites.
        markers: The list; None if the legend's own flags are used.
        exchanged: Ids of the indels that are markers only with REF and ALT of the list exchanged.
    """
    n_listed = n_flagged if markers is None else markers.between(span.first, span.last)
    if n_flagged < LEAST_LISTED_SHARE * n_listed:
        _log.warning(
            "warning: only %d of the list's %s from %d to %d are in the panel; check that list and panel are of one "
            "genome build",
            *(n_flagged, counted(n_listed, "marker"), span.first, span.last),
        )
    megabases = (span.last - span.first + 1) / 1e6
    if megabases >= SHORTEST_SPAN_MB and n_flagged < LEAST_DENSITY * megabases:
        _log.warning(
            "warning: %s in %.3g Mb, under %d markers per Mb; imputation from so few is inaccurate; check the list, "
            "its genome build and its strand",
            *(counted(n_flagged, "marker"), megabases, LEAST_DENSITY),
        )
    if exchanged:
        _log.warning(
            "warning: %s flagged as markers only because REF and ALT of the list were exchanged: %s; check these",
            *(counted(len(exchanged), "indel"), first_few(exchanged)),
        )


class _Opened(NamedTuple):
    """A panel, the chromosome that the options or a VCF name, and the one that the sites name too."""

    panel: PanelStream
    chromosome: str | None
    known: str | None


def _open(settings: PrepareSettings) -> tuple[PanelStream, str | None]:
    """The panel, restricted to the region, and its chromosome."""
    recorder = PloidyRecorder(CHROMOSOME)
    panel, chromosome, known = _opened(settings, recorder)
    if is_chromosome_x(known):
        path = settings.vcf or settings.hap
        assert path is not None
        options = SexOptions(settings.sex, settings.build)
        panel = with_haploid_males(panel, recorder, lambda again: _opened(settings, again).panel, options, path)
    elif settings.sex is not None or settings.build is not None:
        raise SettingsError(f"--sex and --build are for chromosome X, found chromosome {known}; omit them")
    return panel, chromosome


def _opened(settings: PrepareSettings, recorder: PloidyRecorder) -> _Opened:
    """The panel as its file has it; haploid samples of chrX are recorded, and have their allele in both columns."""
    interval = chosen_interval(settings.region, settings.chromosome)
    if settings.vcf is not None:
        panel = vcf.open_panel(
            settings.vcf, settings.region, settings.chromosome, settings.keep_first_duplicate, ploidy=recorder
        )
        first = next(panel.blocks)
        chromosome = first.sites.chromosome
        return _Opened(replace(panel, blocks=chain([first], panel.blocks)), chromosome, chromosome)
    assert settings.hap is not None and settings.legend is not None
    chromosome = None if interval is None else interval.chromosome
    panel = hapslegend.open_panel(
        settings.hap, settings.legend, settings.sample, chromosome, recorder, keep_monomorphic=False
    )
    start = list(islice(panel.blocks, 1))
    known = known_chromosome(start[0].sites) if start else chromosome
    blocks: Iterator[Panel] = chain(start, panel.blocks)
    if interval is not None and not interval.is_whole:
        blocks = _within(blocks, interval, settings.legend)
    return _Opened(replace(panel, blocks=blocks), chromosome, known)


def _within(blocks: Iterator[Panel], interval: Interval, legend: Path) -> Iterator[Panel]:
    is_empty = True
    for block in blocks:
        inside = interval.holds(block.sites.positions)
        if inside.any():
            is_empty = False
            yield block[inside]
    if is_empty:
        raise DataError(f"expected sites in {interval}, found none; check --region", legend)


def _read_markers(settings: PrepareSettings, chromosome: str | None) -> ArrayMarkers | None:
    if settings.manifest is None and settings.markers is None:
        return None
    if chromosome is None:
        raise SettingsError("expected --chromosome, which HAPS/LEGEND does not hold, to choose the array's markers")
    if settings.markers is not None:
        return marker_list.read_markers(settings.markers, chromosome)
    assert settings.manifest is not None and settings.fasta is not None
    return manifest.read_illumina_manifest(settings.manifest, settings.fasta, chromosome).markers


def _default_name(chromosome: str | None) -> str:
    if chromosome is None:
        raise SettingsError("expected --name or --chromosome, to name the files")
    return f"chr{plain_chromosome(chromosome)}"


def _test_samples(settings: PrepareSettings, names: tuple[str, ...], group: AtomicGroup) -> NDArray[np.intp]:
    """Indices of the test samples, in the panel's order; none without a list."""
    path = settings.test_samples
    if path is None:
        return np.empty(0, dtype=np.intp)
    if settings.draw_test_samples is not None and not path.exists():
        chosen = draw_samples(names, settings.draw_test_samples)
        group.open(path).write("".join(f"{name}\n" for name in chosen).encode())
        _log.info("%s is absent: %s drawn at random, and written there", path, counted(len(chosen), "sample"))
    else:
        chosen = read_sample_list(path)
    index = {name: number for number, name in enumerate(names)}
    unknown = [name for name in chosen if name not in index]
    if unknown:
        raise DataError(f"expected samples of the panel, found {first_few(unknown)}, not among its {len(names)}", path)
    if len(chosen) == len(names):
        raise DataError(f"expected samples left to train on, found all {len(names)} named as test samples", path)
    return np.array(sorted(index[name] for name in chosen), dtype=np.intp)


def draw_samples(names: tuple[str, ...], count: int) -> list[str]:
    """Draw samples at random, the same ones every time, in the panel's order.

    Raises:
        SettingsError: if none would be left.
    """
    if count >= len(names):
        raise SettingsError(
            f"expected fewer test samples than the panel's {len(names)}, found --draw-test-samples {count}"
        )
    return [names[index] for index in sorted(random.Random(_DRAW_SEED).sample(range(len(names)), count))]


def read_sample_list(path: Path) -> list[str]:
    """Names, one per line; empty lines are passed over.

    Raises:
        DataError: for a line of several words, a name that repeats, or no name at all.
    """
    lines: dict[str, int] = {}
    for line, text in enumerate(read_lines(path), start=1):
        words = text.split()
        if len(words) > 1:
            raise DataError(f"expected one sample name per line, found '{shortened(text)}'", path, line)
        if words and words[0] in lines:
            raise DataError(f"expected each sample once, found {words[0]} as in line {lines[words[0]]}", path, line)
        if words:
            lines[words[0]] = line
    if not lines:
        raise DataError("expected sample names, one per line, found none", path)
    return list(lines)


def _flagged(block: Panel, markers: ArrayMarkers | None) -> Panel:
    is_marker = block.sites.markers() if markers is None else flag_markers(block.sites, markers)
    return replace(block, sites=replace(block.sites, is_marker=is_marker, a1_freq=None, swapped=None))


def _nothing_flagged(settings: PrepareSettings, n_sites: int, markers: ArrayMarkers | None) -> DataError:
    if markers is None:
        return DataError("expected array markers, found every array_marker_flag 0; give --markers", settings.legend)
    return DataError(
        f"expected array markers among the panel's {n_sites} sites, found none of {len(markers)} by position and "
        "alleles; check that both are of one genome build",
        settings.markers or settings.manifest,
    )


def _train_prefix(settings: PrepareSettings, name: str) -> Path:
    return settings.output_dir / "train" / name


def _output_files(settings: PrepareSettings, name: str) -> list[Path]:
    """All files that are written; those of test samples only if there are any."""
    parts = [_train_prefix(settings, name)]
    if settings.test_samples is not None:
        parts += [settings.output_dir / "test" / f"{name}{which}" for which in ("_true", "")]
    return [Path(f"{part}.{ending}") for part in parts for ending in ("hap.gz", "legend.gz", "sample")]


class _Part(NamedTuple):
    writer: hapslegend.HapsLegendWriter
    columns: NDArray[np.intp]


class _Outputs:
    """The three sets of files; only that for training where no sample is set apart."""

    def __init__(
        self,
        folder: Path,
        name: str,
        sample_names: tuple[str, ...],
        test: NDArray[np.intp],
        group: AtomicGroup,
        stack: ExitStack,
    ) -> None:
        def part(path: Path, samples: NDArray[np.intp]) -> _Part:
            names = [sample_names[index] for index in samples]
            writer = stack.enter_context(hapslegend.HapsLegendWriter(path, names, group))
            return _Part(writer, haplotype_columns(samples))

        train = np.setdiff1d(np.arange(len(sample_names), dtype=np.intp), test)
        self._train = part(folder / "train" / name, train)
        self._true = part(folder / "test" / f"{name}_true", test) if test.size else None
        self._typed = part(folder / "test" / name, test) if test.size else None

    def write(self, block: Panel) -> None:
        """Append a block with marker flags."""
        training = block.alleles[:, self._train.columns]
        self._train.writer.write(block.sites, training)
        if self._true is not None and self._typed is not None:
            test = block.alleles[:, self._true.columns]
            self._true.writer.write(replace(block.sites, a1_freq=alt_frequency(training)), test)
            is_marker = block.sites.markers()
            self._typed.writer.write(_plain(block.sites[is_marker]), test[is_marker])


def _plain(sites: Sites) -> Sites:
    """The sites as an array would give them: without flags, frequencies or the panel's marks."""
    return replace(sites, is_marker=None, a1_freq=None, swapped=None)
