"""`rnnimp inspect`: what a file or a model is."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "inspect",
        help="say what a file or a model is",
        usage="%(prog)s PATH... [--json]",
        description="Say what a model is: its regions, sites, markers, recipe and training, whether its files are "
        "those of the manifest, and what its audit found. Or say what a file is: its format, samples, sites, "
        "chromosomes, positions, phase and missing genotypes. Of a large file, only a part may be read; the output "
        "says so.\n\n"
        "Exit code: 0, or 1 if a file of a model is missing or not the one of the manifest, or a kind is not known.",
        epilog="Examples:\n  rnnimp inspect results/models/chr22\n  rnnimp inspect cohort.vcf.gz --json",
    )
    what = parser.add_argument_group("what to look at")
    what.add_argument(
        "path",
        metavar="PATH",
        nargs="+",
        help="the prefix of a model, its manifest, the .onnx or .ort file of one region, or any file that rnnimp "
        "reads or writes; one or several",
    )
    what.add_argument(
        "--json", action="store_true", help="print JSON: one object, or a list of objects for several paths"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the stage."""
    import json

    from rnnimp.pipeline.inspect.report import report
    from rnnimp.pipeline.inspect.run import inspect

    found = [inspect(path) for path in args.path]
    if args.json:
        content = [inspection.as_dict() for inspection in found]
        text = json.dumps(content if len(content) > 1 else content[0], indent=2) + "\n"
    else:
        text = "\n".join(map(report, found))
    sys.stdout.write(text)
    return int(any(inspection.problems for inspection in found))
