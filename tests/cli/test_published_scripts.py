"""The published program's scripts: their commands as its README has them, their defaults, and their help."""

from __future__ import annotations

import argparse
import runpy
import shlex
from pathlib import Path

import pytest

from rnnimp.cli import build_parser, command_parsers
from rnnimp.cli.published import PublishedScript

REPOSITORY = Path(__file__).resolve().parents[2]
PREPARE = "scripts/test_data_preparation.py"
SPLIT, TRAIN, IMPUTE = (
    "scripts/train/train_data_splitter.py",
    "scripts/train/train.py",
    "scripts/inference/imputation.py",
)


def script(path: str) -> PublishedScript:
    found = runpy.run_path(str(REPOSITORY / path))["SCRIPT"]
    assert isinstance(found, PublishedScript)
    return found


def parsed(path: str, arguments: str) -> argparse.Namespace:
    return build_parser(script(path)).parse_args([script(path).command, *shlex.split(arguments)])


def shown(path: str) -> str:
    """The help of a script, on one line."""
    return " ".join(command_parsers(build_parser(script(path)))[script(path).command].format_help().split())


@pytest.mark.parametrize("path", [PREPARE, SPLIT, TRAIN, IMPUTE])
def test_a_script_has_its_own_name(path: str) -> None:
    assert script(path).path == path
    assert shown(path).startswith(f"usage: python3 {path} ")
    assert f" python3 {path} --" in shown(path).partition("Example")[2]


def test_imputing_as_published() -> None:
    args = parsed(
        IMPUTE,
        "--hap example_data/test/chr22.hap.gz --legend example_data/test/chr22.legend.gz "
        "--sample x.sample --chromosome 22 --python3-bin python3 --output-format vcf "
        "--model-prefix results/train/models/chr22 --output-prefix results/imputation/chr22",
    )
    assert (args.hap, args.output_prefix, args.output_format, args.slurm) == (
        "example_data/test/chr22.hap.gz",
        "results/imputation/chr22",
        "vcf",
        False,
    )


def test_imputing_writes_gen_unless_the_name_or_the_option_chooses() -> None:
    files = "--hap h --legend l --model-prefix m --output-prefix x "
    assert (parsed(IMPUTE, files).output_format, parsed(IMPUTE, files).default_format) == (None, "gen")
    assert "Without this option, an ending of PREFIX chooses (default: gen)" in shown(IMPUTE)
    assert build_parser().parse_args(["impute", *shlex.split(files)]).default_format == "vcf.gz"


def test_splitting_as_published() -> None:
    files = "--hap train/chr22.hap.gz --legend train/chr22.legend.gz --output-prefix split/chr22 "
    args = parsed(
        SPLIT,
        files + "--body-marker-count-limit 200 --flanking-marker-count-limit 50 --imp-site-count-limit 1000 "
        "--partition org_data/fourier_ls-chr22.bed",
    )
    assert (args.body_marker_count_limit, args.partition) == (200, "org_data/fourier_ls-chr22.bed")
    args = parsed(SPLIT, files)
    assert (args.body_marker_count_limit, args.flanking_marker_count_limit, args.imp_site_count_limit) == (100, 50, 100)
    assert "most array markers in a body (default: 100)" in shown(SPLIT)
    own = build_parser().parse_args(["split", *shlex.split(files)])
    assert (own.body_marker_count_limit, own.flanking_marker_count_limit, own.imp_site_count_limit) == (200, 50, 1000)


def test_training_as_published() -> None:
    files = "--data-list split/chr22.list --output-prefix results/train/chr22 "
    args = parsed(
        TRAIN,
        files + "--rnn-cell-type GRU --num-layers-higher 4 --num-layers-lower 4 --num-units 40 --gamma1 0.75 "
        "--gamma2 -0.75 --feature-size 40 --batch-size 500 --max-iteration-count 100000 "
        "--validation-sample-size 100 --num-threads 1 --slurm --job-name-prefix train --memory-size 20GB "
        "--python3-bin python3",
    )
    assert (args.recipe, args.gamma_lower, args.threads) == ("published", -0.75, 1)
    assert args.exact_frequencies
    assert parsed(TRAIN, files + "--recipe accurate").recipe == "accurate"
    assert "(default: published)" in shown(TRAIN)
    assert "(default: accurate)" not in shown(TRAIN)
    assert build_parser().parse_args(["train", *shlex.split(files)]).recipe == "accurate"
    assert not build_parser().parse_args(["train", *shlex.split(files), "--recipe", "published"]).exact_frequencies
