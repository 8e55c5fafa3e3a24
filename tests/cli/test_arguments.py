"""Mistyped commands, options and choices; several names of one option; options in full only."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnimp import cli
from rnnimp.cli import main
from rnnimp.cli.train import _RECIPE_OPTIONS

EVALUATE = ["evaluate", "--imputed", "a.gen", "--truth", "b.gen"]
IMPUTE = ["impute", "--vcf", "a.vcf", "--model-prefix", "m", "--output", "o"]


def parsed(*arguments: str) -> dict[str, object]:
    return vars(cli.build_parser().parse_args(arguments))


def errors(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that a refused command prints."""
    assert cli.main(arguments) == 2
    out, log = capsys.readouterr()
    assert out == ""
    return log.splitlines()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["imputee"], "'imputee' is not a command; did you mean 'impute'? 'rnnimp help' lists all commands"),
        (["eval"], "'eval' is not a command; did you mean 'evaluate'? 'rnnimp help' lists all commands"),
        (["xyz"], "'xyz' is not a command; 'rnnimp help' lists all commands"),
        (["help", "trian"], "'trian' is not a command; did you mean 'train'? 'rnnimp help' lists all commands"),
    ],
)
def test_an_unknown_command_is_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert errors(capsys, *arguments) == [f"rnnimp: error: {line}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*EVALUATE, "--imputd", "c"], "unrecognized arguments: --imputd; did you mean '--imputed'?"),
        ([*EVALUATE, "--frequenc", "c"], "unrecognized arguments: --frequenc; did you mean '--frequencies'?"),
        ([*EVALUATE, "--qqq"], "unrecognized arguments: --qqq"),
        ([*EVALUATE, "c.gen"], "unrecognized arguments: c.gen"),
        (["evaluate", "--imputd=c"], "unrecognized arguments: --imputd=c; did you mean '--imputed'?"),
        (["evaluate"], "the following arguments are required: --imputed, --truth"),
        (["impute", "-vcf", "a"], "unrecognized arguments: -vcf; did you mean '--vcf'?"),
        (["impute"], "the following arguments are required: --model-prefix, --output"),
        (
            [*IMPUTE, "--typed-only", "kep"],
            "argument --typed-only: 'kep' is not one of keep, drop; did you mean 'keep'?",
        ),
        (["train", "--recipe", "x"], "argument --recipe: 'x' is not one of accurate, protected, open, published"),
        ([*IMPUTE, "--threads", "two"], "argument --threads: expected a whole number of at most 1024, found 'two'"),
    ],
)
def test_bad_arguments_show_the_usage_and_say_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_, last = errors(capsys, *arguments)
    command = f"rnnimp {arguments[0]}"
    assert first.startswith(f"usage: {command} ")
    assert last == f"{command}: error: {message} (see '{command} --help')"


def test_an_unknown_option_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors(capsys, "--verison") == [
        "usage: rnnimp COMMAND [options]",
        "rnnimp: error: unrecognized arguments: --verison; did you mean '--version'? (see 'rnnimp --help')",
    ]


def test_nothing_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    lines = errors(capsys)
    assert lines[0] == "usage: rnnimp COMMAND [options]"
    assert any(line.split()[:1] == ["impute"] for line in lines)


def test_negative_numbers_and_standard_input_are_values() -> None:
    train = parsed("train", "--data-list", "l", "--output", "o", "--gamma2", "-0.75")
    assert train["gamma_lower"] == -0.75
    assert parsed("impute", "--vcf", "-", "--model-prefix", "m", "--output", "o")["vcf"] == "-"


@pytest.mark.parametrize(
    ("command", "main", "alias", "value"),
    [
        (["train", "--data-list", "l", "--output", "o"], "--threads", "--num-threads", "3"),
        (IMPUTE, "--threads", "--num-threads", "3"),
        (IMPUTE, "--output", "--output-prefix", "x"),
        (["train", "--data-list", "l"], "--output", "--output-prefix", "x"),
        (["split", "--hap", "h", "--legend", "l"], "--output", "--output-prefix", "x"),
        (["split", "--hap", "h", "--legend", "l", "--output", "o"], "--blocks", "--partition", "x.bed"),
        (EVALUATE, "--output", "--output-prefix", "x"),
        (["merge", "a.vcf", "b.vcf"], "--output", "--output-prefix", "x.vcf"),
        (["prepare", "--vcf", "v"], "--output", "--output-dir", "x"),
        (["demo"], "--output", "--output-dir", "x"),
    ],
)
def test_older_names_of_options_work(command: list[str], main: str, alias: str, value: str) -> None:
    assert parsed(*command, main, value) == parsed(*command, alias, value)
    assert parsed(*command, f"{main}={value}") == parsed(*command, main, value)
    assert value in map(str, parsed(*command, main, value).values())


NUMBERS = [
    ([*IMPUTE, "--threads"], True),
    ([*IMPUTE, "--min-r2"], False),
    ([*IMPUTE, "--slurm", "--num-tasks"], True),
    ([*IMPUTE, "--slurm", "--gpus-per-task"], True),
    ([*IMPUTE, "--slurm", "--max-running"], True),
    (["split", "--hap", "a", "--legend", "b", "--output", "c", "--maf-threshold"], False),
    (["split", "--hap", "a", "--legend", "b", "--output", "c", "--body-marker-count-limit"], True),
    (["split", "--hap", "a", "--legend", "b", "--output", "c", "--flanking-marker-count-limit"], True),
    (["split", "--hap", "a", "--legend", "b", "--output", "c", "--imp-site-count-limit"], True),
    (["prepare", "--vcf", "a", "--markers", "b", "--output", "c", "--test-samples", "d", "--draw-test-samples"], True),
    (["bundle", "a", "--wait"], False),
    (["status", "a", "--interval"], False),
    ([*EVALUATE, "--bins"], False),
    (["train", "--data-list", "a", "--output", "b", "--threads"], True),
    (["train", "--data-list", "a", "--output", "b", "--slurm", "--regions-per-task"], True),
    *(
        (["train", "--data-list", "a", "--output", "b", option], kind is int)
        for option, _, kind, _ in _RECIPE_OPTIONS
        if kind is not str
    ),
]


@pytest.mark.parametrize(("arguments", "is_whole"), NUMBERS, ids=[words[-1] + words[0] for words, _ in NUMBERS])
def test_every_number_is_checked(
    arguments: list[str],
    is_whole: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["nan", "inf", "-inf", "1e400", "1_000", "\u0663", "", "9" * 5000, "x" * 5000]
    words += ["1.5", "99999999999999999999"] if is_whole else ["1e300"]
    for word in words:
        assert main([*arguments[:-1], f"{arguments[-1]}={word}"]) == 2, word
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
        assert len(line) < 300
    assert main([*arguments[:-1], f"{arguments[-1]}=-7"]) == (1 if "gamma" in arguments[-1] else 2)
    capsys.readouterr()
    assert not list(tmp_path.iterdir())
