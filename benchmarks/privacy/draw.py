"""Draw the picture of the frontier again, from a table that `run.py` wrote and a table of trials.

python benchmarks/privacy/draw.py results/privacy/frontier.tsv --trials trials.tsv --output frontier.svg
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from privacy.frontier import read_points, read_trials
from rnnimp.errors import RnnimpError


def main(argv: Sequence[str] | None = None) -> int:
    """Draw; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("points", type=Path, metavar="TSV", help="frontier.tsv of 'run.py'; rows may be joined")
    parser.add_argument("--trials", type=Path, metavar="TSV", help="name, family, mean_r2, auc, tpr")
    parser.add_argument("--title", default="", metavar="TEXT", help="title of the picture")
    parser.add_argument("--output", type=Path, required=True, metavar="SVG", help="picture to write")
    args = parser.parse_args(argv)
    try:
        from privacy import picture

        trials = [] if args.trials is None else read_trials(args.trials)
        picture.draw(args.output, read_points(args.points), trials, args.title)
    except RnnimpError as error:
        print(f"draw.py: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
