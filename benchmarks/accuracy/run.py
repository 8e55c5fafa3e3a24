"""Accuracy on a panel: rnnimp, which has its networks only, against Beagle and Minimac4, which have the haplotypes.

1. Run `rnnimp prepare`, `split` and `train`, or take the trained model of `--model-prefix`.
2. Write the inputs that all programs take: the panel without the target samples, and the target samples at the markers
   of the array.
3. Impute with each program.
4. Score the sites that the array does not type against the truth. The sites and samples are the same for all programs.

A second run repeats every step, except that training resumes where it stopped and keeps finished regions.

The target samples are the test samples. With `--validation` they are the samples that the training held out for
validation, so that recipes can be compared without a look at the test samples. They are then taken out of the panel.

A gain is the difference to the better of the two programs. A bootstrap over the target samples (`bootstrap`) gives its
95% interval. A gain is clear if 0 lies outside. `above` is the share of the replicates in which rnnimp is above both.
Options after `--` are passed to `rnnimp train`.

    python benchmarks/accuracy/run.py --panel panel.vcf.gz --markers omni2.5_markers.tsv --test-samples test_samples.txt
        --map chr22.b37.gmap.gz --partition fourier_ls-all.bed --output-dir results/accuracy
        [--validation] [--model-prefix PREFIX] [--rare] [--missing 5,10,20] [--other-array] [--calibration]
        [-- --device cuda --max-iteration-count 2500]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from accuracy import panel_imputers
from accuracy.bootstrap import gains
from accuracy.inputs import Target, prepare, train, write_inputs
from accuracy.panel_imputers import Study
from accuracy.scores import OWN, Scores, Scoring, impute, score
from rnnimp.errors import RnnimpError
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import aligned_text, number_text, write_table
from rnnimp.pipeline.evaluate.calibration import calibration_tables, write_calibration
from rnnimp.scoring.bootstrap import DIFFERENCE_LIMITS, spread_interval

YARDSTICK = "Beagle"
EDGES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
MAF_THRESHOLD = 0.005
RARE_EDGE, RARE_THRESHOLD = 0.1, 0.001
TITLES = {"mean": "Mean r2 of a site", "aggregate": "Aggregate r2"}
ALL_MARKERS = "all markers"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="options after -- are passed to 'rnnimp train'",
        allow_abbrev=False,
    )
    data = parser.add_argument_group("data")
    data.add_argument("--panel", type=Path, required=True, metavar="VCF", help="phased VCF or BCF")
    data.add_argument("--markers", type=Path, required=True, metavar="FILE", help="the array's, as 'rnnimp prepare'")
    data.add_argument("--map", type=Path, required=True, metavar="FILE", help="genetic map, 'pos chr cM' or PLINK's")
    data.add_argument("--partition", type=Path, metavar="BED", help="blocks to cut the chromosome into")
    data.add_argument("--chromosome", metavar="NAME", help="required if the panel has several")
    data.add_argument("--test-samples", type=Path, metavar="FILE", help="names, one per line; never used in training")
    data.add_argument("--validation", action="store_true", help="impute the training's validation samples instead")
    data.add_argument("--output-dir", type=Path, required=True, metavar="DIR", help="folder for all files")
    what = parser.add_argument_group("what to compare")
    what.add_argument("--model-prefix", type=Path, metavar="PREFIX", help="a trained model, instead of training one")
    what.add_argument(
        "--rare", action="store_true", help="also 0.1-0.5%%, for which regions contain sites from 0.1%% on"
    )
    what.add_argument(
        "--missing", type=_shares, default=(), metavar="LIST", help="also with these percentages of the markers missing"
    )
    what.add_argument("--other-array", action="store_true", help="also with every second marker")
    what.add_argument("--calibration", action="store_true", help="also estimated against true accuracy, with a picture")
    how = parser.add_argument_group("how")
    how.add_argument("--replicates", type=int, default=1000, metavar="N", help="of the bootstrap (default: 1000)")
    how.add_argument("--seed", type=int, default=1, metavar="N", help="of bootstrap and missing markers (default: 1)")
    how.add_argument("--threads", type=int, default=2, metavar="N", help="of Beagle and Minimac4 (default: 2)")
    how.add_argument("--memory", default="6g", metavar="SIZE", help="of Beagle's Java (default: 6g)")
    parser.add_argument("train_options", nargs="*", metavar="-- OPTIONS", help="for 'rnnimp train'")
    args = parser.parse_args(argv)
    if args.test_samples is None and not args.validation:
        parser.error("expected --test-samples, or --validation")
    if args.model_prefix is not None and args.train_options:
        parser.error("expected --model-prefix or options for training, found both")
    return args


def _shares(text: str) -> tuple[float, ...]:
    shares = tuple(float(word) for word in text.split(","))
    if not all(0 < share < 100 for share in shares):
        raise argparse.ArgumentTypeError(f"expected percentages between 0 and 100, found '{text}'")
    return shares


def benchmark(args: argparse.Namespace) -> None:
    """Run all steps and print the tables."""
    if args.calibration:
        from accuracy import picture  # now, not after hours of training: matplotlib may be missing
    programs = panel_imputers.versions()
    data = prepare(args.panel, args.markers, args.test_samples, args.output_dir, args.chromosome)
    model, training = args.model_prefix, None
    if model is None:
        threshold = RARE_THRESHOLD if args.rare else MAF_THRESHOLD
        model, training = train(data, args.partition, threshold, args.train_options, args.output_dir)
    validated = model if args.validation else None
    target, reference, map_path = write_inputs(data, validated, args.map, args.output_dir / "inputs")
    study = Study(reference, map_path, args.threads, args.memory)
    study.compressed_reference.unlink(missing_ok=True)  # an earlier run's may be of other samples
    scoring = Scoring((RARE_EDGE, *EDGES) if args.rare else EDGES, args.replicates, args.seed)
    results = score_inputs(args, target, study, model, scoring)
    full = results[ALL_MARKERS]
    print_heading(args, target, programs, training, full)
    print_accuracy(full, scoring, args.output_dir)
    if len(results) > 1:
        print_robustness(results, scoring)
    if args.calibration:
        print_calibration(full, args.output_dir)
        picture.draw(args.output_dir / "calibration.png", full.calibrations)


def score_inputs(
    args: argparse.Namespace, target: Target, study: Study, model: Path, scoring: Scoring
) -> dict[str, Scores]:
    """The scores of each input by name."""
    results = {}
    for name, rows in scenarios(target, args.missing, args.other_array, args.seed):
        path = args.output_dir / "imputed" / name.replace(" ", "_").replace("%", "") / "target.vcf.gz"
        target.write(path, rows)
        calibrated = args.calibration and name == ALL_MARKERS
        results[name] = score(*impute(path, study, model), target, scoring, calibrated)
    return results


def scenarios(
    target: Target, missing: Sequence[float], other_array: bool, seed: int
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Each input by name, with the rows of its markers. Markers missing at 5% are missing at 10% too."""
    markers = np.flatnonzero(target.panel.sites.markers())
    yield ALL_MARKERS, markers
    order = np.random.default_rng(seed).permutation(markers)
    for share in missing:
        yield f"{share:g}% missing", np.sort(order[round(share / 100 * len(order)) :])
    if other_array:
        yield "every second", markers[::2]


def print_heading(
    args: argparse.Namespace, target: Target, programs: Mapping[str, str], training: float | None, scores: Scores
) -> None:
    """Print the programs, the inputs and the times."""
    who = "validation" if args.validation else "test"
    n_markers = np.count_nonzero(target.panel.sites.markers())
    print(f"{args.panel}: {len(target.panel.sample_names)} {who} samples, {n_markers} markers", end="")
    print(
        f", {scores.n_sites[-1]} sites scored" + (f", {scores.n_missing} not imputed by all" * (scores.n_missing > 0))
    )
    print("; ".join(f"{name} {version}" for name, version in programs.items()))
    times = [f"{program} {seconds:.1f}" for program, seconds in scores.seconds.items()]
    print("seconds: " + "; ".join(([] if training is None else [f"training {training:.0f}"]) + times))


def print_accuracy(scores: Scores, scoring: Scoring, folder: Path) -> None:
    """Both measures of each program by bin, with the gain; also written as `accuracy.tsv`."""
    rivals = [program for program in scores.r2 if program != OWN]
    header = ("maf_percent", "sites", OWN, *rivals, "gain", "over", "lower", "upper", "above", "clear")
    written = []
    for measure, title in TITLES.items():
        rows = list(accuracy_rows(scores, scoring, measure, rivals))
        print(f"\n{title}\n\n{aligned_text([header, *rows])}", end="")
        written += [(measure, *row) for row in rows]
    with AtomicGroup() as group:
        write_table(group.open(folder / "accuracy.tsv"), ("measure", *header), written)


def accuracy_rows(scores: Scores, scoring: Scoring, measure: str, rivals: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """One row per bin."""
    values = {program: getattr(r2, measure) for program, r2 in scores.r2.items()}
    found = gains(values[OWN], np.stack([values[program] for program in rivals]))
    for number, (edges, n_sites, gain) in enumerate(zip(scoring.bins, scores.n_sites, found, strict=True)):
        reached = (number_text(values[program][0, number], 4) for program in (OWN, *rivals))
        interval = (signed(bound) for bound in (gain.lower, gain.upper))
        verdict = "no" if not gain.is_clear else "above" if gain.estimate > 0 else "below"
        label, share = f"{edges[0]:g}-{edges[1]:g}", number_text(gain.share_above, 3)
        yield label, str(n_sites), *reached, signed(gain.estimate), rivals[gain.rival], *interval, share, verdict


def signed(value: float) -> str:
    """A difference."""
    return "NA" if value != value else f"{value:+.4f}"


def print_robustness(results: Mapping[str, Scores], scoring: Scoring) -> None:
    """Mean r2 on inputs with fewer markers, the loss against all markers, and our loss minus that of the yardstick."""
    labels = [f"{lower:g}-{upper:g}" for lower, upper in scoring.bins]
    full = {program: r2.mean for program, r2 in results[ALL_MARKERS].r2.items()}
    reached, lost = [("input", "program", *labels)], [("input", "program", *labels)]
    for name, scores in results.items():
        losses = {program: full[program] - r2.mean for program, r2 in scores.r2.items()}
        reached += [(name, program, *(number_text(x, 4) for x in r2.mean[0])) for program, r2 in scores.r2.items()]
        if name == ALL_MARKERS:
            continue
        lost += [(name, program, *map(signed, loss[0])) for program, loss in losses.items()]
        beyond = losses[OWN] - losses[YARDSTICK]
        ends = (spread_interval(float(column[0]), column[1:], DIFFERENCE_LIMITS) for column in beyond.T)
        bounds = zip(*ends, strict=True)
        lost.append((name, f"{OWN} beyond {YARDSTICK}", *map(signed, beyond[0])))
        lost += [(name, f"{end}, 95%", *map(signed, row)) for end, row in zip(("lower", "upper"), bounds, strict=True)]
    print(f"\n{TITLES['mean']}, poorer inputs\n\n{aligned_text(reached)}", end="")
    print(f"\nLoss against all markers\n\n{aligned_text(lost)}", end="")


def print_calibration(scores: Scores, folder: Path) -> None:
    """Each program's tables; also written as `calibration.PROGRAM.*.tsv`."""
    for program, calibration in scores.calibrations.items():
        print(f"\nCalibration of {program}\n\n{calibration_tables(calibration)}", end="")
        with AtomicGroup() as group:
            write_calibration(calibration, folder / f"calibration.{program}", group)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit code."""
    args = parse(argv)
    try:
        benchmark(args)
    except RnnimpError as error:
        print(f"run.py: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
