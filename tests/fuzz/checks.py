"""Checks of the results of accepted inputs: agreement with an independent parser, and outputs with plausible values."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import referees
from fuzz.referees import Haplotypes, MalformedError
from fuzz.target import DisagreementError, Files

_SHARES = {"DS": 2.0, "HDS": 1.0, "GP": 1.0, "AP1": 1.0, "AP2": 1.0}
_INFO_SHARES = ("AF", "R2", "INFO", "MAF", "ER2")
TOLERANCE = 1e-3


def agrees(found: Any, expected: Callable[[], Any], what: str = "result") -> None:
    """Compare with what a referee says; a file that it calls malformed should not have been accepted."""
    try:
        wanted = expected()
    except MalformedError as error:
        raise DisagreementError(f"accepted, but malformed: {error}") from error
    if found != wanted:
        raise DisagreementError(f"another {what}: {_first_difference(found, wanted)}")


def _first_difference(found: Any, wanted: Any) -> str:
    if isinstance(found, (list, tuple)) and isinstance(wanted, (list, tuple)):
        if len(found) != len(wanted):
            return f"{len(found)} entries, not {len(wanted)}"
        pairs = [pair for pair in zip(found, wanted, strict=True) if pair[0] != pair[1]]
        return _first_difference(*pairs[0])
    return f"{str(found)[:80]!r}, not {str(wanted)[:80]!r}"


def haplotypes_of(panel: Any) -> Haplotypes:
    """A panel in the referees' form."""
    sites, alleles = panel.sites, np.maximum(panel.alleles, -1)
    if not (np.diff(sites.positions) >= 0).all() or len(set(sites.keys())) < len(sites):
        raise DisagreementError("positions that go down, or a site twice")
    rows = [(*key, row) for key, row in zip(sites.keys(), alleles.tolist(), strict=True)]
    return Haplotypes(rows, list(panel.sample_names))


def vcf_is_plausible(data: bytes, with_samples: bool = True) -> list[tuple[str, ...]]:
    """Check the numbers of an imputed VCF, those of its samples too if asked for; its sites as text."""
    lines = [line for line in referees.unpacked(data).decode(errors="replace").split("\n") if not line.startswith("##")]
    if lines[-1] or not lines[0].startswith("#CHROM\tPOS"):
        raise DisagreementError("an output without header, or cut short")
    width = lines[0].count("\t")
    sites: list[tuple[str, ...]] = []
    for line in lines[1:-1]:
        cells = line.split("\t")
        if len(cells) != width + 1:
            raise DisagreementError(f"an output line with {len(cells)} columns: {line[:60]!r}")
        _check_info(cells)
        for sample in cells[9:] if with_samples else []:
            for name, text in zip(cells[8].split(":"), sample.split(":"), strict=True):
                _check_numbers(name, text, _SHARES.get(name), cells)
        sites.append((cells[0], cells[1], cells[3], cells[4]))
    return sites


def _check_info(cells: list[str]) -> None:
    values = dict(part.partition("=")[::2] for part in cells[7].split(";"))
    for name in _INFO_SHARES:
        if name in values:
            _check_numbers(name, values[name], 1.0, cells)
    if int(values.get("AC", 0)) > int(values.get("AN", 0)):
        raise DisagreementError(f"AC above AN at {cells[1]}")


def _check_numbers(name: str, text: str, most: float | None, cells: list[str]) -> None:
    if most is None:
        return
    for part in text.split(","):
        if part != "." and not -TOLERANCE <= float(part) <= most + TOLERANCE:  # not so of NaN either
            raise DisagreementError(f"{name}={part[:20]} in the output at {cells[1]}")


def merged_is_plausible(folder: Path, files: Files, result: Any) -> None:
    """As for impute; but what merge copies of samples was checked when it was written, and may be another program's."""
    _output_is_plausible(folder, with_samples=False)


def imputed_is_plausible(folder: Path, files: Files, result: Any) -> None:
    """The output of impute or merge is whole, its numbers in range, its sites sorted."""
    _output_is_plausible(folder, with_samples=True)


def _output_is_plausible(folder: Path, with_samples: bool) -> None:
    outputs = [path for path in folder.rglob("o.vcf*") if path.suffix in (".vcf", ".gz")]
    if not outputs:
        raise DisagreementError("exit code 0 without an output")
    sites = vcf_is_plausible(outputs[0].read_bytes(), with_samples)
    positions = [int(site[1]) for site in sites]
    if positions != sorted(positions) or len(set(sites)) < len(sites):
        raise DisagreementError("output positions that go down, or a site twice")
    leftover = [path.name for path in folder.rglob("*") if ".part" in path.name]
    if leftover:
        raise DisagreementError(f"left {leftover[0]}")


def findings_are_plausible(folder: Path, files: Files, result: Any) -> None:
    """The findings of check are JSON, its rates and p values are from 0 to 1, and each site has a line."""
    content = json.loads((folder / "out" / "c.checks.json").read_text())
    text = gzip.decompress((folder / "out" / "c.target_sites.tsv.gz").read_bytes()).decode()
    header, *rows = [line.split("\t") for line in text.splitlines()]
    if len(rows) != content["counts"]["target_sites"]:
        raise DisagreementError(f"{len(rows)} lines, not {content['counts']['target_sites']}")
    names = ("call_rate", "frequency", "hardy_weinberg_p")
    values = [row[header.index(name)] for row in rows for name in names]
    if not all(value == "NA" or 0 <= float(value) <= 1 for value in values):
        raise DisagreementError("a rate or p value that is not from 0 to 1")


def table_is_plausible(folder: Path, files: Files, result: Any) -> None:
    """The numbers of evaluate's tables are finite or NA, and no R2 lies outside [-1, 1]."""
    for path in folder.glob("out/*"):
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        header, *rows = [line.split("\t") for line in text.splitlines()]
        for row in rows:
            for name, cell in zip(header, row, strict=False):
                is_share = name.lower() in ("r2", "concordance", "iqs", "maf", "r2_dosage")
                try:
                    value = float(cell) if is_share and cell != "NA" else 0.0
                except ValueError:
                    continue
                if math.isnan(value) or not -1 - TOLERANCE <= value <= 1 + TOLERANCE:
                    raise DisagreementError(f"{name} {cell} in {path.name}")
