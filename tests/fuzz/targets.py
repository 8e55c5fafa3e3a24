"""The table of targets: what is read, how it is changed, and who judges the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import referees, seeds
from fuzz.checks import (
    TOLERANCE,
    agrees,
    findings_are_plausible,
    haplotypes_of,
    imputed_is_plausible,
    merged_is_plausible,
    table_is_plausible,
)
from fuzz.commands import command, run_command
from fuzz.model_targets import model_targets, training_targets
from fuzz.mutate_arguments import mutate_arguments
from fuzz.mutate_binary import mutate_bcf, mutate_bgen, mutate_bytes, mutate_pgen
from fuzz.mutate_packed import bgzf, under_bgzf, under_gzip
from fuzz.mutate_text import mutate_text
from fuzz.referees import Haplotypes
from fuzz.report_targets import report_targets
from fuzz.seeds import CHROMOSOME, IMPUTE
from fuzz.site_targets import preparation, site_targets, splitting
from fuzz.target import DisagreementError, Files, Target, is_report
from rnnimp.formats.gen import read_gen
from rnnimp.formats.vcf.reading import open_panel, read_genotypes
from rnnimp.pipeline.impute.target import TargetFiles, read_target

PART = 1_002_000, 1_009_000
"""First and last position that are read by an index."""


def all_targets() -> list[Target]:
    """Every reader and command that is fuzzed."""
    return [
        *(*haplotype_targets(), *site_targets(), *model_targets(), *command_targets()),
        *(*training_targets(), *report_targets()),
    ]


def _reads(**files: str) -> Callable[[Path], Any]:
    """Read a target's haplotypes on chromosome 22."""

    def run(folder: Path) -> Any:
        return read_target(TargetFiles(**files), CHROMOSOME).panel  # type: ignore[arg-type]

    return run


def _same(referee: Callable[[Files], Any]) -> Callable[[Path, Files, Any], None]:
    """Compare a panel with a referee's haplotypes."""

    def check(folder: Path, files: Files, panel: Any) -> None:
        agrees(haplotypes_of(panel), lambda: referee(files), "haplotypes")

    return check


def _is_plausible(folder: Path, files: Files, panel: Any) -> None:
    rows, names = haplotypes_of(panel)
    if any(not set(row[3]) <= {-1, 0, 1} or len(row[3]) != 2 * len(names) or row[0] < 1 for row in rows):
        raise DisagreementError("alleles or positions out of range")


def haplotype_targets() -> list[Target]:
    """The formats of phased haplotypes, read as the target of an imputation."""
    vcf, haps, pgen = seeds.vcf(), seeds.haps(), seeds.pgen()
    in_vcf = _same(lambda files: referees.vcf(files["t.vcf"], CHROMOSOME))
    indices = seeds.indexed_vcf()
    in_haps = _same(
        lambda files: referees.hap(
            files["t.hap.gz"], referees.legend(files["t.legend.gz"]), referees.sample(files["t.sample"])
        )
    )
    imputed = {"p1.vcf.gz": seeds.imputed_parts()["p1.vcf.gz"]}
    gz = under_gzip(mutate_text)
    bgen_referee = _same(lambda files: referees.bgen(files["t.bgen"], CHROMOSOME))
    reads_haps = _reads(hap="t.hap.gz", legend="t.legend.gz", sample="t.sample", chromosome=CHROMOSOME)
    haps_mutators = {"t.hap.gz": gz, "t.legend.gz": gz, "t.sample": mutate_text}
    pgen_mutators = {"t.pgen": mutate_pgen, "t.pvar": mutate_text, "t.psam": mutate_text}
    return [
        Target("VCF", {"t.vcf": vcf}, {"t.vcf": mutate_text}, _reads(vcf="t.vcf"), in_vcf),
        Target("VCF.gz", {"t.vcf": bgzf(vcf)}, {"t.vcf": under_bgzf(mutate_text)}, _reads(vcf="t.vcf"), in_vcf),
        Target("BCF", {"t.bcf": seeds.bcf()}, {"t.bcf": under_bgzf(mutate_bcf)}, _reads(vcf="t.bcf"), _is_plausible),
        _index_target("VCF index .csi", indices, "c.vcf.gz", "csi"),
        _index_target("VCF index .tbi", indices, "t.vcf.gz", "tbi"),
        Target("HAPS LEGEND SAMPLE", haps, haps_mutators, reads_haps, in_haps),
        Target(
            "SHAPEIT haps",
            {"t.haps": seeds.shapeit()},
            {"t.haps": mutate_text},
            _reads(haps="t.haps"),
            _same(lambda files: referees.shapeit(files["t.haps"])),
        ),
        Target("BGEN", {"t.bgen": seeds.bgen()}, {"t.bgen": mutate_bgen}, _reads(bgen="t.bgen"), bgen_referee),
        Target("PGEN", pgen, pgen_mutators, _reads(pgen="t.pgen"), _check_pgen),
        Target(
            "VCF genotypes",
            imputed,
            {"p1.vcf.gz": under_bgzf(mutate_text)},
            lambda _: read_genotypes("p1.vcf.gz"),
            _check_genotypes,
        ),
        Target("GEN", {"t.gen": seeds.gen()}, {"t.gen": mutate_text}, lambda _: read_gen("t.gen"), _check_gen),
    ]


def _index_target(name: str, files: Files, vcf: str, kind: str) -> Target:
    """A part of a chromosome, found by an index that may lie; the data themselves are whole."""
    first, last = PART
    file_and_index = {vcf: files[vcf], f"{vcf}.{kind}": files[f"{vcf}.{kind}"]}

    def expected(files: Files) -> Haplotypes:
        rows, names = referees.vcf(files[vcf], CHROMOSOME)
        return Haplotypes([row for row in rows if first <= row[0] <= last], names)

    return Target(
        name,
        file_and_index,
        {f"{vcf}.{kind}": under_bgzf(mutate_bytes)},
        lambda _: open_panel(vcf, f"{CHROMOSOME}:{first}-{last}").read(),
        _same(expected),
    )


def _check_genotypes(folder: Path, files: Files, table: Any) -> None:
    """Genotype probabilities and dosages of an imputed VCF are in range, where they are not missing."""
    for name, values, most in (("probabilities", table.probabilities, 1), ("dosages", table.dosages, 2)):
        if not (np.isnan(values) | ((values >= -TOLERANCE) & (values <= most + TOLERANCE))).all():
            raise DisagreementError(f"{name} from {np.nanmin(values)} to {np.nanmax(values)}")


def _check_pgen(folder: Path, files: Files, panel: Any) -> None:
    _is_plausible(folder, files, panel)
    agrees(list(panel.sample_names), lambda: referees.psam(files["t.psam"]), "sample names")


def _check_gen(folder: Path, files: Files, table: Any) -> None:
    sites = [(position, a0, a1) for position, a0, a1 in table.sites.keys()]
    agrees(sites, lambda: [row[:3] for row in referees.gen(files["t.gen"])], "sites")
    for found, row in zip(table.probabilities, referees.gen(files["t.gen"]), strict=True):
        for values, start in zip(found.tolist(), range(0, len(row[3]), 3), strict=True):
            wanted = row[3][start : start + 3]
            if sum(wanted) and any(abs(a - b) > 1e-5 or a != a for a, b in zip(values, wanted, strict=True)):
                raise DisagreementError(f"probabilities {values}, not {wanted}")


def command_targets() -> list[Target]:
    """Whole commands on changed files, and with changed options."""
    case, parts = seeds.impute_case(), seeds.imputed_parts()
    text, packed = mutate_text, under_gzip(mutate_text)
    imputed = {**case, "names": b"Sample_2\nSample_4\n"}
    evaluated = {"t.vcf": seeds.vcf(), "i.vcf": seeds.vcf(), "i.gen": seeds.gen()}
    merge = command("merge", "p1.vcf.gz", "p2.vcf.gz", "--output", "out/o.vcf.gz")
    prepared, prepare = preparation()
    split, split_arguments = splitting()
    samples = {name: packed for name in parts if "sums" in name}
    lines = {name: under_bgzf(text) for name in parts if name.endswith(".vcf.gz")}
    return [
        Target(
            "impute: target",
            case,
            {"t.hap.gz": packed, "t.legend.gz": packed},
            command(*IMPUTE, "--output", "out/o.vcf"),
            imputed_is_plausible,
            is_report,
        ),
        Target(
            "impute: sample list",
            imputed,
            {"names": text},
            command(*IMPUTE, "--samples", "names", "--output", "out/o.vcf"),
            imputed_is_plausible,
        ),
        Target(
            "check",
            case,
            {"t.hap.gz": packed, "t.legend.gz": packed},
            command("check", *IMPUTE[1:], "--output", "out/c", codes=(0, 1)),
            findings_are_plausible,
        ),
        Target("merge: sums", parts, samples, merge, merged_is_plausible),
        Target("merge: lines", parts, lines, merge, merged_is_plausible),
        Target(
            "evaluate",
            evaluated,
            {"t.vcf": text, "i.vcf": text},
            command("evaluate", "--imputed", "i.vcf", "--truth", "t.vcf", "--all-sites", "--output", "out/e"),
            table_is_plausible,
        ),
        _options("options: impute", case, [*IMPUTE, "--output", "out/o.vcf"]),
        _options("options: check", case, ["check", *IMPUTE[1:], "--output", "out/c"]),
        _options("options: prepare", prepared, prepare),
        _options("options: split", split, split_arguments),
        _options("options: merge", parts, ["merge", "p1.vcf.gz", "p2.vcf.gz", "--output", "out/o.vcf.gz"]),
        _options(
            "options: evaluate",
            evaluated,
            ["evaluate", "--imputed", "i.vcf", "--truth", "t.vcf", "--bins", "0,5,50", "--output", "out/e"],
        ),
    ]


def _options(name: str, files: Files, arguments: list[str]) -> Target:
    def run(folder: Path) -> int:
        lines = (folder / "arguments").read_bytes().decode("utf-8", "surrogateescape")
        return run_command(lines.split("\n"))

    with_arguments = {**files, "arguments": "\n".join(arguments).encode()}
    return Target(name, with_arguments, {"arguments": mutate_arguments}, run, may_leave=is_report)
