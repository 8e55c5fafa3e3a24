"""Compare what the commands write before and after a change, byte for byte.

Runs the packaged demo, small trainings of every kind of network, and `impute`, `merge` and `evaluate` in every format
on the packaged example. Two steps:

    PYTHONPATH=OLD_CHECKOUT/src python tools/compare_outputs.py record /tmp/before
    PYTHONPATH=src python tools/compare_outputs.py compare /tmp/before

The first runs the commands of one version of the package and stores their files. The second runs those of another
version in a temporary folder, names each file that differs, and ends with exit code 1 if there is one. Files of ONNX
Runtime's own format (`.ort`) are omitted: their layout varies from run to run. Times and versions are blanked out.
Standard output is stored and compared too.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = ["--num-units", "8", "--num-layers-higher", "2", "--num-layers-lower", "1", "--feature-size", "6"]
SHORT = ["--max-iteration-count", "20", "--batch-size", "20", "--validation-sample-size", "6"]
FORMATS = ("gen", "vcf", "vcf.gz", "bcf", "bgen", "pgen")
UNSTABLE = re.compile(
    rb'"(seconds|[a-z_]*seconds|started|finished|host|pid|time)": [^,\n}]+|\b\d+\.\d s\b|\d\d:\d\d:\d\d'
)
SKIPPED = (".ort", ".lock", ".log", ".pt", "progress.json")


def run(folder: Path, name: str, *arguments: str) -> None:
    """Run one command in the folder; its standard output becomes a file."""
    code = "from rnnimp.cli import run; run()"
    result = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, check=False)
    if result.returncode:
        sys.exit(f"{name}: rnnimp {' '.join(arguments)} failed:\n{result.stderr.decode(errors='replace')}")
    (folder / f"{name}.stdout").write_bytes(result.stdout)


def packaged() -> Path:
    """The folder of the packaged example, of the version that is found first."""
    code = "import rnnimp, pathlib; print(pathlib.Path(rnnimp.__file__).resolve().parent / 'demo')"
    return Path(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def make_outputs(folder: Path) -> None:
    """Run everything; every path that a command sees is relative, so that two folders can be compared."""
    shutil.copytree(packaged(), folder / "in", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    _train_all(folder)
    run(folder, "demo", "demo", "--output-dir", "demo")
    _impute_all(folder)


def _train_all(folder: Path) -> None:
    panel = folder / "panel"
    panel.mkdir()
    for ending in ("hap.gz", "sample"):
        shutil.copyfile(folder / "in" / f"truth.{ending}", panel / f"p.{ending}")
    _flag_markers(folder)
    run(
        folder, "split", "split", "--hap", "panel/p.hap.gz", "--legend", "panel/p.legend.gz", "--chromosome", "22",
        "--output-prefix", "split/p", "--body-marker-count-limit", "60", "--flanking-marker-count-limit", "20",
        "--imp-site-count-limit", "300",
    )  # fmt: skip
    kinds = {
        "gru": ["--recipe", "published", *SMALL],
        "lstm": ["--recipe", "published", "--rnn-cell-type", "LSTM", *SMALL],
        "accurate": ["--recipe", "accurate", "--num-states", "32", "--mixing-size", "8", *SMALL],
        "plain": ["--recipe", "accurate", "--num-states", "32", "--engine", "reference", *SMALL],
    }
    for name, options in kinds.items():
        run(
            folder, f"train-{name}", "train", "--data-list", "split/p.list", "--output-prefix", f"train-{name}/p",
            "--regions", "1,2", "--device", "cpu", *options, *SHORT,
        )  # fmt: skip


def _flag_markers(folder: Path) -> None:
    """The legend of the truth, with the target's sites flagged as markers."""
    with gzip.open(folder / "in" / "target.legend.gz", "rt") as file:
        markers = {line.split()[0] for line in file}
    with gzip.open(folder / "in" / "truth.legend.gz", "rt") as file:
        header, *lines = (line.split() for line in file)
    column = header.index("array_marker_flag")
    for line in lines:
        line[column] = str(int(line[0] in markers))
    text = "".join(f"{' '.join(line)}\n" for line in [header, *lines])
    (folder / "panel" / "p.legend.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _impute_all(folder: Path) -> None:
    target = ["--hap", "in/target.hap.gz", "--legend", "in/target.legend.gz", "--sample", "in/target.sample"]
    model = ["--model-prefix", "in/model/demo"]
    for ending in FORMATS:
        run(
            folder, f"impute-{ending}", "impute", *target, *model, "--chromosome", "22",
            "--output-prefix", f"impute-{ending}/out", "--output-format", ending,
        )  # fmt: skip
    more = {
        "fields": ["--output-format", "vcf", "--format-fields", "GT,DS,HDS,GP,AP", "--empirical-r2"],
        "part": ["--output-format", "vcf", "--region", "22:100,000-300,000", "--min-r2", "0.3", "--typed-only", "drop"],
        "runtime": ["--output-format", "vcf.gz", "--threads", "2"],
    }
    for name, options in more.items():
        run(
            folder, f"impute-{name}", "impute", *target, *model, "--chromosome", "22",
            "--output-prefix", f"impute-{name}/out", *options,
        )  # fmt: skip
    for name in ("gru", "lstm", "accurate"):
        run(
            folder, f"impute-own-{name}", "impute", *target, "--model-prefix", f"train-{name}/models/p", "--chromosome",
            "22", "--output-prefix", f"impute-own-{name}/out", "--output-format", "vcf", "--force",
        )  # fmt: skip
    for ending in ("vcf", "bcf"):
        run(
            folder, f"again-{ending}", "impute", "--vcf", f"impute-{ending}/out.{ending}", *model,
            "--output-prefix", f"again-{ending}/out", "--output-format", "vcf",
        )  # fmt: skip
    names = (folder / "in" / "target.sample").read_text().splitlines()[2:]
    people = [line.split()[0] for line in names]
    for name, part in (("a", people[:20]), ("b", people[20:])):
        (folder / f"{name}.txt").write_text("".join(f"{person}\n" for person in part))
        run(
            folder, f"batch-{name}", "impute", *target, *model, "--chromosome", "22", "--samples", f"{name}.txt",
            "--output-prefix", f"batch/{name}", "--output-format", "vcf.gz",
        )  # fmt: skip
    run(folder, "merge", "merge", "batch/a.vcf.gz", "batch/b.vcf.gz", "--output", "merged/all.vcf.gz")
    run(
        folder, "evaluate", "evaluate", "--imputed", "merged/all.vcf.gz", "--truth", "in/truth.hap.gz",
        "--output-prefix", "evaluate/all",
    )  # fmt: skip


def comparable(path: Path) -> bytes:
    """A file's content: unpacked, without versions and times."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    content = re.sub(rb"rnnimp \d+\.\d+\.\d+", b"rnnimp VERSION", content)
    content = re.sub(rb"/\S*/rnnimp/demo/", b"PACKAGED/", content)  # in the headers' command lines
    content = re.sub(rb'"(rnnimp_version|program_version)": "[^"]*"', b'"version": ""', content)
    return UNSTABLE.sub(b"", content)


def listed(folder: Path) -> dict[str, Path]:
    """Files to compare, by their path in the folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(SKIPPED))
    return {
        str(path.relative_to(folder)): path for path in paths if not str(path.relative_to(folder)).startswith("in/")
    }


def differences(before: Path, after: Path) -> list[str]:
    """The names of files that only one folder has, or whose content differs."""
    old, new = listed(before), listed(after)
    found = [f"only before: {name}" for name in old.keys() - new.keys()]
    found += [f"only after: {name}" for name in new.keys() - old.keys()]
    both = old.keys() & new.keys()
    return sorted(found + [f"differs: {name}" for name in both if comparable(old[name]) != comparable(new[name])])


def main() -> int:
    """Record, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=("record", "compare"))
    parser.add_argument("folder", type=Path, help="where the recorded files are; new for `record`")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="with compare: keep the new files here")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if args.step == "record":
        args.folder.mkdir(parents=True)
        make_outputs(args.folder.resolve())
        sys.stdout.write(f"{len(listed(args.folder))} files recorded\n")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        after = (args.keep or Path(temporary) / "after").resolve()
        after.mkdir(parents=True)
        make_outputs(after)
        found = differences(args.folder, after)
        sys.stdout.write("".join(f"{line}\n" for line in found))
        sys.stdout.write(f"{len(listed(after))} files compared, {len(found)} differ\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
