"""Accuracy against leak: models of several recipes side by side, with the panel itself and frequencies as the ends.

1. Read the training files of the regions, and choose the people as `rnnimp audit` does. The outsiders are the samples
   held out from training, which must be the same for all models.
2. Impute the samples held out with each model, and with `--panel-programs` with Beagle and Minimac4, whose panel is the
   other samples. Score the sites from 0.5% MAF on that the array does not type, as `benchmarks/accuracy/` does.
3. Run `rnnimp audit` on each model. `--reuse-audits` takes those of an earlier run with the same model
   files, people, settings and version.
4. Impute members with Beagle and Minimac4, whose panel contains them, and run the audit's loss attacks on the result.
5. Write `frontier.tsv` and the picture `frontier.svg`.

Allele frequencies alone are the floor of the first model's audit. Their mean r2 is 0, since a constant explains
nothing. The interval of mean r2 is from a bootstrap over the samples. `draw.py` draws the picture again from the
table.

    python benchmarks/privacy/run.py --models accurate=results/accurate/models/chr22 open=results/open/models/chr22
        --data-list data/split/chr22.list --genetic-map chr22.b37.gmap.gz --output-dir results/privacy
        [--panel-programs] [--trials trials.tsv]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from accuracy import panel_imputers
from accuracy.inputs import rnnimp
from accuracy.panel_imputers import Study
from accuracy.scores import Scores, Scoring, impute_with_model, score

from privacy.frontier import (
    CONTROL,
    FALSE_ALARMS,
    PROGRAM,
    Leak,
    Point,
    audited_leak,
    read_audit,
    read_trials,
    strongest,
    write_points,
)
from privacy.inputs import Inputs, read_inputs, write_reference
from privacy.reuse import differences
from rnnimp.choices import AUDIT_SEED, AUDITED_MEMBERS
from rnnimp.errors import RnnimpError
from rnnimp.formats.files import AtomicGroup
from rnnimp.formats.tables import aligned_text
from rnnimp.formats.vcf.reading import read_genotypes
from rnnimp.pipeline.audit.results import MODEL
from rnnimp.pipeline.audit.settings import AuditSettings
from rnnimp.privacy.figures import Estimate

EDGES = (0.5, 50.0)
FREQUENCIES = "allele frequencies alone"
_NAME = re.compile(r"[\w.+-][\w.+ -]*")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    data = parser.add_argument_group("data")
    data.add_argument("--models", type=_model, nargs="+", required=True, metavar="NAME=PREFIX", help="trained models")
    data.add_argument("--data-list", type=Path, required=True, metavar="FILE", help="list that 'rnnimp split' wrote")
    data.add_argument("--genetic-map", type=Path, required=True, metavar="FILE", help="with columns 'pos chr cM'")
    data.add_argument("--output-dir", type=Path, required=True, metavar="DIR", help="folder for all files")
    what = parser.add_argument_group("what to compare")
    what.add_argument("--panel-programs", action="store_true", help="also Beagle and Minimac4 with the panel")
    what.add_argument("--trials", type=Path, metavar="TSV", help="also these trials: name, family, mean_r2, auc, tpr")
    what.add_argument("--title", default="", metavar="TEXT", help="title of the picture")
    how = parser.add_argument_group("how")
    how.add_argument("--members", type=int, default=AUDITED_MEMBERS, metavar="N", help="to test (default: %(default)s)")
    how.add_argument("--allow-few-outsiders", action="store_true", help="as 'rnnimp audit'")
    how.add_argument(
        "--reuse-audits", action="store_true", help="in the output folder, if they would come out the same today"
    )
    how.add_argument("--replicates", type=int, default=1000, metavar="N", help="of the bootstrap (default: 1000)")
    how.add_argument("--seed", type=int, default=AUDIT_SEED, metavar="N", help="of everything (default: %(default)s)")
    how.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default: 2)")
    how.add_argument("--memory", default="6g", metavar="SIZE", help="of Beagle's Java (default: 6g)")
    args = parser.parse_args(argv)
    names = [name for name, _ in args.models] + [*panel_imputers.PANEL_IMPUTERS, FREQUENCIES]
    repeated = [name for number, name in enumerate(names) if name in names[:number]]
    if repeated:
        parser.error(f"expected models with different names, found '{repeated[0]}' twice")
    return args


def _model(text: str) -> tuple[str, Path]:
    name, mark, prefix = text.partition("=")
    if not mark or not prefix or not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(
            f"expected NAME=PREFIX with letters, digits, spaces and .+-_ in the name, found '{text}'"
        )
    return name, Path(prefix)


def benchmark(args: argparse.Namespace) -> None:
    """Run all steps, and write the table and the picture."""
    from privacy import picture  # now, not after hours of audits: matplotlib may be missing

    models: dict[str, Path] = dict(args.models)
    trials = [] if args.trials is None else read_trials(args.trials)
    if args.panel_programs:
        print("; ".join(f"{name} {version}" for name, version in panel_imputers.versions().items()))
    inputs = read_inputs(models, args.data_list, args.genetic_map, args.members, args.seed, args.allow_few_outsiders)
    study = None
    if args.panel_programs:
        study = write_reference(inputs, args.output_dir / "inputs", args.threads, args.memory)
    accuracy = score_models(args, inputs, models, study)
    audits = {name: audited(args, name, prefix, inputs) for name, prefix in models.items()}
    leaks = {name: audited_leak(audit) for name, audit in audits.items()}
    if study is not None:
        leaks |= program_leaks(args, inputs, study)
    points = [
        Point(name, MODEL if name in models else PROGRAM, _mean_r2(accuracy, name), leak)
        for name, leak in leaks.items()
    ]
    floor = audited_leak(next(iter(audits.values())), CONTROL)
    points.append(Point(FREQUENCIES, CONTROL, Estimate(0.0, 0.0, 0.0), floor))
    print_points(inputs, accuracy, points)
    with AtomicGroup() as group:
        write_points(group.open(args.output_dir / "frontier.tsv"), points)
    picture.draw(args.output_dir / "frontier.svg", points, trials, args.title)


def score_models(args: argparse.Namespace, inputs: Inputs, models: Mapping[str, Path], study: Study | None) -> Scores:
    """Impute the samples held out with everything, and score the sites that all impute."""
    folder, target = args.output_dir / "imputed", inputs.held_out()
    path = folder / "held_out.vcf.gz"
    target.write(path, np.flatnonzero(target.panel.sites.markers()))
    tables, seconds = {}, {}
    for name, prefix in models.items():
        output = folder / f"held_out.{_file_name(name)}.vcf"
        seconds[name] = impute_with_model(path, prefix, output)
        tables[name] = read_genotypes(output)
    if study is not None:
        for program, run in panel_imputers.PANEL_IMPUTERS.items():
            output = folder / f"held_out.{program}.vcf.gz"
            run(study, path, output)
            tables[program] = read_genotypes(output)
    return score(tables, seconds, target, Scoring(EDGES, args.replicates, args.seed), calibrated=False)


def _mean_r2(scores: Scores, name: str) -> Estimate:
    """Mean r2 over all sites, with the interval of the bootstrap's standard deviation.

    The replicates themselves are too high: with some samples drawn several times, a site's r2 is that of fewer samples.
    In a difference of two programs this cancels; here only their spread is used.
    """
    value, *replicates = scores.r2[name].mean[:, -1].tolist()
    reach = _Z * float(np.std(replicates, ddof=1))
    return Estimate(value, value - reach, value + reach)


_Z = NormalDist().inv_cdf(0.975)


def audited(args: argparse.Namespace, name: str, prefix: Path, inputs: Inputs) -> dict[str, Any]:
    """Audit a model; the content of the JSON file. With `--reuse-audits`, that of an earlier run if it fits."""
    output = args.output_dir / "audits" / _file_name(name)
    output.parent.mkdir(parents=True, exist_ok=True)
    path = Path(f"{output}.json")
    if args.reuse_audits and path.exists():
        audit = read_audit(path)
        settings = AuditSettings(args.members, seed=args.seed)
        differing = differences(audit, prefix, inputs, settings)
        if not differing:
            return audit
        print(f"{path}: the audit has other {', '.join(differing)}; auditing {name} again")
    options = ("--members", args.members, "--seed", args.seed, "--threads", args.threads)
    files = ("--model-prefix", prefix, "--data-list", args.data_list, "--genetic-map", args.genetic_map)
    few = ["--allow-few-outsiders"] * args.allow_few_outsiders
    rnnimp("audit", *files, "--output", output, *options, *few)
    return read_audit(path)


def program_leaks(args: argparse.Namespace, inputs: Inputs, study: Study) -> dict[str, Leak]:
    """The leak of each program that imputes from the panel."""
    from privacy.panel_leak import panel_leaks

    found = panel_leaks(inputs, study, args.output_dir / "imputed", args.threads, args.seed)
    return {
        program: strongest({name: (each.auc, each.tpr[FALSE_ALARMS]) for name, each in figures.items()})
        for program, figures in found.items()
    }


def _file_name(name: str) -> str:
    return name.replace(" ", "_")


def print_points(inputs: Inputs, accuracy: Scores, points: Sequence[Point]) -> None:
    """Print what was compared, and the points as an aligned table."""
    people = inputs.people
    print(
        f"{len(inputs.regions)} regions, {accuracy.n_sites[-1]} sites scored"
        + f", {accuracy.n_missing} not imputed by all" * (accuracy.n_missing > 0)
        + f"; {len(people.members)} of {len(people.training)} members and {people.n_outsiders} outsiders"
    )
    header = (
        "name",
        "mean r2",
        "95% interval",
        "strongest attack",
        "AUC",
        "95% interval",
        "TPR at 1%",
        "longest match",
        "by chance",
    )
    rows = [
        (
            point.name,
            *_texts(point.mean_r2),
            point.leak.attack,
            *_texts(point.leak.auc),
            _texts(point.leak.tpr)[0],
            _texts(point.leak.longest_match)[0],
            _texts(point.leak.chance)[0],
        )
        for point in points
    ]
    print(f"\n{aligned_text([header, *rows])}", end="")


def _texts(estimate: Estimate) -> tuple[str, str]:
    """The value and its interval."""
    if estimate.value is None:
        return "-", "-"
    interval = "-" if estimate.low is None else f"{estimate.low:.4f} to {estimate.high:.4f}"
    return f"{estimate.value:.4f}", interval


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
