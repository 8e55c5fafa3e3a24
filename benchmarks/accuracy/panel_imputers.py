"""Beagle and Minimac4, which impute from the panel itself: the files that they take, and the programs run on them.

Debian has them: `apt-get install beagle minimac4 tabix`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rnnimp.errors import DataError, RnnimpError
from rnnimp.formats.files import atomic_output, read_lines
from rnnimp.sites.chromosomes import same_chromosome
from rnnimp.sites.panel import Sites

BEAGLE_JAR = Path("/usr/share/beagle/beagle.jar")

_GENOTYPE = np.frombuffer(b"\t0|0", dtype=np.uint8)
_MISSING = ord(".")


@dataclass(frozen=True)
class Study:
    """Input and settings, the same for each program.

    Attributes:
        reference: Phased haplotypes of the panel, `.vcf.gz`.
        genetic_map: PLINK's four columns.
        threads: Threads to run on.
        memory: Memory of Java, as `6g`.
        by_haplotype: Whether to write each haplotype's allele probabilities instead of the genotypes'.
    """

    reference: Path
    genetic_map: Path
    threads: int
    memory: str
    by_haplotype: bool = False

    @property
    def compressed_reference(self) -> Path:
        """The panel in Minimac4's own format."""
        return self.reference.with_suffix("").with_suffix(".msav")


class PhasedVcfWriter:
    """Writes phased genotypes to a `.vcf.gz`, block by block; made by `phased_vcf`."""

    def __init__(self, file: IO[bytes], chromosome: str) -> None:
        self._file = file
        self._chromosome = chromosome

    def write(self, sites: Sites, alleles: NDArray[np.int8]) -> None:
        """Append sites; alleles int8 (n_sites, n_haplotypes), -1 for missing."""
        n_sites, n_haplotypes = alleles.shape
        cells = np.tile(_GENOTYPE, (n_sites, n_haplotypes // 2, 1))
        cells[..., 1::2] = np.where(alleles < 0, _MISSING, ord("0") + alleles).reshape(n_sites, -1, 2)
        columns = (sites.positions.tolist(), sites.ids.tolist(), sites.a0.tolist(), sites.a1.tolist())
        for (position, name, ref, alt), row in zip(zip(*columns, strict=True), cells, strict=True):
            head = f"{self._chromosome}\t{position}\t{name}\t{ref}\t{alt}\t.\tPASS\t.\tGT"
            self._file.write(head.encode() + row.tobytes() + b"\n")


@contextmanager
def phased_vcf(path: Path, sample_names: Sequence[str], chromosome: str) -> Iterator[PhasedVcfWriter]:
    """A bgzip-compressed VCF to write to, indexed at the end."""
    with path.open("wb") as packed, subprocess.Popen(["bgzip"], stdin=subprocess.PIPE, stdout=packed) as bgzip:
        assert bgzip.stdin is not None
        header = (
            "##fileformat=VCFv4.2",
            f"##contig=<ID={chromosome}>",
            '##FILTER=<ID=PASS,Description="All filters passed">',
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Phased genotype">',
            "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_names]),
        )
        bgzip.stdin.write(("\n".join(header) + "\n").encode())
        yield PhasedVcfWriter(bgzip.stdin, chromosome)
    if bgzip.returncode:
        raise RnnimpError(f"{path}: bgzip ended with exit code {bgzip.returncode}")
    run(["tabix", "-f", "-p", "vcf", str(path)])


def write_plink_map(source: Path, path: Path, chromosome: str) -> None:
    """Convert a genetic map to PLINK's columns, `chromosome id cM position`, with the panel's name of the chromosome.

    Args:
        source: A header with `pos chr cM`, as SHAPEIT takes it, or PLINK's four columns without a header.
        path: Path of the file to write.
        chromosome: Chromosome whose lines are taken.
    """
    rows = [line.split() for line in read_lines(source)]
    is_shapeit = bool(rows) and [word.lower() for word in rows[0]] == ["pos", "chr", "cm"]
    lines = []
    for number, row in enumerate(rows[1:] if is_shapeit else rows, start=1 + is_shapeit):
        if len(row) != (3 if is_shapeit else 4):
            raise DataError("expected a map 'pos chr cM' with this header, or PLINK's four columns", source, number)
        name, centimorgan, position = (row[1], row[2], row[0]) if is_shapeit else (row[0], row[2], row[3])
        if same_chromosome(name, chromosome):
            lines.append(f"{chromosome} . {centimorgan} {position}\n")
    if not lines:
        raise DataError(f"expected a map of chromosome {chromosome}, found none of its lines", source)
    with atomic_output(path) as file:
        file.write("".join(lines).encode())


def run_beagle(study: Study, target: Path, output: Path) -> None:
    """Impute with Beagle, with its defaults and the map; writes `output`, a `.vcf.gz`.

    It has genotype probabilities, or with `by_haplotype` the alleles' probabilities on each haplotype.
    """
    prefix = str(output).removesuffix(".vcf.gz")
    options = [f"gt={target}", f"ref={study.reference}", f"map={study.genetic_map}", f"out={prefix}"]
    options += ["ap=true" if study.by_haplotype else "gp=true", f"nthreads={study.threads}"]
    run(["java", f"-Xmx{study.memory}", "-jar", str(BEAGLE_JAR), *options])


def run_minimac4(study: Study, target: Path, output: Path) -> None:
    """Impute with Minimac4, with its defaults and the map; the panel is converted to its format first."""
    if not study.compressed_reference.exists():
        packed = run(["minimac4", "--compress-reference", str(study.reference)])
        study.compressed_reference.write_bytes(packed)
    files = ["-m", str(study.genetic_map), "-o", str(output), str(study.compressed_reference), str(target)]
    fields = "HDS" if study.by_haplotype else "GT,HDS,DS,GP"
    run(["minimac4", "-f", fields, "-O", "vcf.gz", "-t", str(study.threads), *files])


PANEL_IMPUTERS = {"Beagle": run_beagle, "Minimac4": run_minimac4}
"""The programs of the comparison. Each imputes a target of a study and writes a file."""


def versions() -> dict[str, str]:
    """The programs' versions; an error names a missing program and how to install it."""
    absent = [name for name in ("java", "minimac4", "bgzip", "tabix") if shutil.which(name) is None]
    if absent or not BEAGLE_JAR.exists():
        missing = ", ".join(absent + ([] if BEAGLE_JAR.exists() else [str(BEAGLE_JAR)]))
        raise RnnimpError(f"not found: {missing}; on Debian: apt-get install beagle minimac4 tabix")
    beagle = subprocess.run(["java", "-jar", str(BEAGLE_JAR)], capture_output=True, text=True, check=False).stdout
    minimac = subprocess.run(["minimac4", "--version"], capture_output=True, text=True, check=False)
    found = {"Beagle": re.search(r"beagle\.(\S+)\.jar \(version (\S+)\)", beagle)}
    number = re.search(r"v(\d\S*)", minimac.stdout + minimac.stderr)
    return {
        "Beagle": f"{found['Beagle'][2]} ({found['Beagle'][1]})" if found["Beagle"] else "unknown",
        "Minimac4": number[1] if number else "unknown",
    }


def run(command: Sequence[str]) -> bytes:
    """Run a program and return what it prints; if it fails, the error has the end of its output."""
    result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode:
        said = (result.stderr or result.stdout).decode(errors="replace").strip().splitlines()[-5:]
        raise RnnimpError(f"{command[0]} ended with exit code {result.returncode}: {' / '.join(said)}")
    return result.stdout
