"""How large a report is, and how long it takes, as sites and samples grow.

    python benchmarks/report.py [--cases 12000x1000,200000x1000] [--imputations 3] [--work-dir build/report]

A case is sites x samples. The results of `impute` and `evaluate` are made up: tables of the right form, with random
numbers. Browsers are not measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from rnnimp.choices import BIN_EDGES
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.site_table import COLUMNS as SITE_COLUMNS
from rnnimp.formats.tables import write_table
from rnnimp.pipeline.evaluate import tables as evaluation
from rnnimp.pipeline.impute.samples import COLUMNS as SAMPLE_COLUMNS

SPACING = 170  # base pairs between sites, as on chromosome 22
REGION_SITES = 1000
TYPED_SHARE = 0.12


def parse_arguments() -> argparse.Namespace:
    """The options, with the default cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="12000x1000,200000x1000", metavar="LIST", help="default: %(default)s")
    parser.add_argument("--imputations", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("build/report"), metavar="DIR", help="default: %(default)s"
    )
    return parser.parse_args()


def texts(values: np.ndarray) -> list[str]:
    """Numbers as the tables have them."""
    return [f"{value:.6g}" for value in values.tolist()]


def write_imputed(prefix: Path, n_sites: int, n_samples: int) -> None:
    """Write the site table, the sample table and the findings of the checks."""
    rng = np.random.default_rng(1)
    frequency = rng.beta(0.2, 1.2, n_sites)
    kinds = np.where(rng.random(n_sites) < TYPED_SHARE, "TYPED", "IMPUTED").tolist()
    columns = [texts(values) for values in (frequency, np.minimum(frequency, 1 - frequency), rng.beta(5, 1, n_sites))]
    rows = (
        ("22", str(1_000_000 + SPACING * row), f"rs{row}", "A", "G", *cells, "NA", kind)
        for row, (*cells, kind) in enumerate(zip(*columns, kinds, strict=True))
    )
    samples = [rng.beta(60, 1, n_samples), rng.normal(1e5, 2e3, n_samples), rng.gamma(30, 3e-4, n_samples)]
    sample_rows = zip([f"S{row}" for row in range(n_samples)], *map(texts, samples), strict=True)
    with AtomicGroup() as group:
        write_table(group.open(f"{prefix}.info.tsv.gz"), SITE_COLUMNS, rows)
        write_table(group.open(f"{prefix}.samples.tsv"), SAMPLE_COLUMNS, sample_rows)
        group.open(f"{prefix}.checks.json").write(json.dumps(checks(n_sites, rng)).encode())


def checks(n_sites: int, rng: np.random.Generator) -> dict[str, object]:
    """Findings of the checks: one region per 1,000 sites."""
    regions = []
    for number in range(-(-n_sites // REGION_SITES)):
        first = 1_000_000 + SPACING * REGION_SITES * number
        last = first + SPACING * (REGION_SITES - 1)
        spans = {"first_position": first, "last_position": last, "first_imputed": first, "last_imputed": last}
        n_observed = int(rng.integers(250, 301))
        regions.append(
            {"index": number + 1, **spans, "n_markers": 300, "n_observed": n_observed, "share": n_observed / 300}
        )
    names = ("target_sites", "matched", "swapped", "strand_flipped", "mismatched", "not_in_model")
    counts = dict.fromkeys(names, 0) | {"observed_markers": sum(int(r["n_observed"]) for r in regions)}
    counts["missing_markers"] = 300 * len(regions) - counts["observed_markers"]
    cells = rng.poisson(3, (50, 50)) * (np.abs(np.subtract.outer(np.arange(50), np.arange(50))) < 4)
    worst = [{"id": f"rs{row}", "position": row, "model": 0.2, "target": 0.4} for row in range(20)]
    frequencies = {"n_compared": int(cells.sum()), "mean_difference": 0.02, "worst": worst}
    frequencies["counts"] = [" ".join(map(str, row)) for row in cells.tolist()]
    found = {"counts": counts, "strand": {}, "genome_build": {}, "frequencies": frequencies, "regions": regions}
    return {**found, "samples": [], "warnings": [], "errors": []}


def write_evaluation(prefix: Path, n_sites: int, n_samples: int, n_imputations: int) -> None:
    """Write the tables of groups, sites and samples."""
    rng = np.random.default_rng(2)
    names = [f"program {number + 1}" for number in range(n_imputations)]
    maf = texts(rng.beta(0.2, 1.2, n_sites) / 2)
    r2 = {name: texts(rng.beta(5, 1, n_sites)) for name in names}
    with AtomicGroup() as group:
        sites = (
            (name, "22", str(1_000_000 + SPACING * row), f"rs{row}", "A", "G", maf[row], maf[row], "0", "0", *more)
            for row in range(n_sites)
            for name in names
            for more in [(str(n_samples), r2[name][row], "0.9", "0.1", "0.8")]
        )
        write_table(group.open(f"{prefix}.sites.tsv.gz"), (evaluation.NAME_COLUMN, *evaluation.SITE_COLUMNS), sites)
        samples = (
            (name, f"S{row}", "NA", str(n_sites), f"{rng.beta(50, 2):.6f}", "0.99", "0.05")
            for name in names
            for row in range(n_samples)
        )
        write_table(
            group.open(f"{prefix}.samples.tsv.gz"), (evaluation.NAME_COLUMN, *evaluation.SAMPLE_COLUMNS), samples
        )
        bins = [f"{low:g}-{high:g}" for low, high in pairwise(BIN_EDGES)]
        scores = ("0.9", "0.88", "0.92") * 4
        groups = (
            (name, "all", "all", label, str(n_samples), str(n_sites), str(n_sites), *scores, "0.9")
            for name in names
            for label in (*bins, "all")
        )
        write_table(group.open(f"{prefix}.groups.tsv"), (evaluation.NAME_COLUMN, *evaluation.GROUP_COLUMNS), groups)


def main() -> None:
    """Measure all cases, each in a process of its own."""
    args = parse_arguments()
    args.work_dir.mkdir(parents=True, exist_ok=True)
    print(f"{'sites':>8} {'samples':>8} {'seconds':>8} {'MB page':>8} {'MB memory':>10}")
    for case in args.cases.split(","):
        n_sites, n_samples = map(int, case.split("x"))
        prefix, page = args.work_dir / case, args.work_dir / f"{case}.html"
        write_imputed(prefix, n_sites, n_samples)
        write_evaluation(args.work_dir / f"{case}_accuracy", n_sites, n_samples, args.imputations)
        inputs = ["--imputed", str(prefix), "--accuracy", f"{prefix}_accuracy", "--output", str(page)]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "rnnimp", "report", *inputs, "--quiet"], check=True)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the most of all cases so far
        print(f"{n_sites:8,} {n_samples:8,} {seconds:8.1f} {page.stat().st_size / 1e6:8.2f} {memory:10.0f}")


if __name__ == "__main__":
    main()
