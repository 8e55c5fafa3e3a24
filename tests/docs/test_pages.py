"""The README and the documentation: what they tell people to type works, and their links and figures are right."""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from rnnimp.cli import build_parser

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"
PAGES = [README, REPOSITORY / "CONTRIBUTING.md", *sorted(page for page in DOCS.rglob("*.md"))]
SCRIPTS = {
    "scripts/test_data_preparation.py": None,  # adds the example's files itself
    "scripts/train/train_data_splitter.py": "split",
    "scripts/train/train.py": "train",
    "scripts/inference/imputation.py": "impute",
}
TUTORIAL = DOCS / "tutorials" / "first-imputation.md"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, indented ones too."""
    text = page.read_text(encoding="utf-8")
    return [
        match.group(2) for match in re.finditer(rf"^([ ]*)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    ]


def commands_of(script: str) -> Iterator[list[str]]:
    """The simple commands of a shell script, as words; also those that are quoted as a whole."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    command: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&\n"):
            yield list(takewhile(lambda word: not word.startswith("#"), command))
            command = []
        elif word.startswith("rnnimp "):
            yield from commands_of(word)
        else:
            command.append(word)


def rnnimp_arguments(script: str) -> Iterator[list[str]]:
    """The arguments of each command that stands for `rnnimp`."""
    for command in commands_of(script):
        words = command[1:] if command[:1] == ["do"] else command
        if words[:1] == ["rnnimp"]:
            yield words[1:]
        elif words[:1] == ["python3"] and len(words) > 1 and SCRIPTS.get(words[1]) is not None:
            yield [str(SCRIPTS[words[1]]), *words[2:]]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (action,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_parsers_accept_every_command(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for script in blocks(page, "(?:sh|bash)"):
        for arguments in rnnimp_arguments(script):
            try:
                build_parser().parse_args(arguments)
            except SystemExit as stop:
                assert stop.code == 0, f"{name_of(page)}: rnnimp {' '.join(arguments)}: {capsys.readouterr().err}"


def test_commands_are_found() -> None:
    script = (
        "for x in 1; do\n  rnnimp merge a b \\\n    --output c || break\ndone\nbsub 'rnnimp bundle p --wait 9'  # why\n"
    )
    assert list(rnnimp_arguments(script)) == [["merge", "a", "b", "--output", "c"], ["bundle", "p", "--wait", "9"]]
    assert sum(len(list(rnnimp_arguments(script))) for page in PAGES for script in blocks(page, "sh")) > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_in_the_text_exist(page: Path) -> None:
    known = {name: set(parser._option_string_actions) for name, parser in parsers().items()}
    for code in re.findall(r"`(rnnimp [^`\n]+)`", page.read_text(encoding="utf-8")):
        command, *words = code.split()[1:]
        if command in known:
            unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - known[command]
            assert not unknown, f"{name_of(page)}: `{code}`"


def test_the_readme_is_short() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 120


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return anchors | ({f"rnnimp-{name}" for name in parsers()} if page.name == "command-line.md" else set())


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    pages = [page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")]
    assert (
        sorted(set(pages) - set(listed) - {"index"} - {page for page in pages if page.startswith("decisions/0")}) == []
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[\w+\]: (\S+)$", text, re.MULTILINE)
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), f"{name_of(page)} links to {link}; there are {sorted(headings(target))}"


def test_the_accuracy_picture_is_that_of_its_table() -> None:
    check = [sys.executable, str(REPOSITORY / "tools" / "draw_pictures.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0, "run: make pictures"


def test_the_accuracy_table_is_that_of_the_benchmarks() -> None:
    table = (DOCS / "pictures" / "accuracy.tsv").read_text(encoding="utf-8")
    figures = re.findall(r"\t(0\.\d{4})", table)
    assert len(figures) == 42
    for page in (DOCS / "benchmarks.md", DOCS / "explanation" / "accuracy.md"):
        known = set(re.findall(r"0\.\d{4}", page.read_text(encoding="utf-8")))
        assert set(figures) <= known, f"{name_of(page)} lacks {sorted(set(figures) - known)}"


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], str]:
    """Run a shell script in a folder of its own, with this checkout as `rnnimp`; returns what it prints."""
    programs = tmp_path / "bin"
    programs.mkdir()
    python = shlex.quote(sys.executable)
    phase = "for word; do case $word in gt=*) gt=${word#gt=};; out=*) out=${word#out=};; esac; done"
    commands = {
        "rnnimp": f'exec {python} -m rnnimp "$@"',
        "python3": f'exec {python} "$@"',
        "beagle": f"{phase}; zcat $gt | sed 's,/,|,g' | gzip > $out.vcf.gz",  # any phase will do
    }
    for name, command in commands.items():
        (programs / name).write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY / "src")}

    def run(script: str) -> str:
        command = ["bash", "-eu", "-c", script]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, check=False, **streams)
        assert done.returncode == 0, done.stdout
        return str(done.stdout)

    return run


def is_like(word: str, other: str) -> bool:
    """Whether two words are equal, up to rounding where they end in a number."""
    parts = [re.fullmatch(r"(.*?)(\d+\.\d+)", text) for text in (word, other)]
    if parts[0] is None or parts[1] is None:
        return word == other
    (start, number), (other_start, other_number) = (part.groups() for part in parts if part is not None)
    return start == other_start and abs(float(number) - float(other_number)) <= 0.002


@pytest.mark.slow
def test_the_first_tutorial_prints_what_it_shows(shell: Callable[[str], str]) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    printed = shell("\n".join(blocks(TUTORIAL, "sh")))
    lines = [re.sub(r" in [\d.]+ s$", "", line).split() for line in printed.splitlines()]
    for shown in "".join(blocks(TUTORIAL, "text")).splitlines():
        words = re.sub(r" in [\d.]+ s$", "", shown).split()
        assert any(len(words) == len(line) and all(map(is_like, words, line)) for line in lines), f"{shown}: {printed}"
    (left,) = re.findall(r"^([\d,]+) of the [\d,]+ sites are left", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert [left.replace(",", "")] in lines


@pytest.mark.slow
def test_the_page_on_onnx_prints_what_it_shows(shell: Callable[[str], str], tmp_path: Path) -> None:
    page = DOCS / "how-to" / "onnx.md"
    (tmp_path / "use.py").write_text("".join(blocks(page, "python")), encoding="utf-8")
    printed = shell("".join(blocks(page, "sh")) + "python3 use.py\n")
    (shown,) = blocks(page, "text")
    for line, expected in zip(printed.splitlines(), shown.splitlines(), strict=True):
        assert len(line.split()) == len(expected.split())
        assert all(map(is_like, line.split(), expected.split())), line


@pytest.mark.slow
def test_the_page_on_python_prints_what_it_shows(shell: Callable[[str], str], tmp_path: Path) -> None:
    page = DOCS / "how-to" / "python.md"
    (tmp_path / "use.py").write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    printed = shell("python3 use.py 2> messages\n")
    shown = "".join(blocks(page, "text"))
    for line, expected in zip(printed.splitlines(), shown.splitlines(), strict=True):
        assert len(line.split()) == len(expected.split())
        assert all(map(is_like, line.split(), expected.split())), line


def write_cohort(path: Path) -> None:
    """A VCF of 40 people with random genotypes, by the packaged model's frequencies, at its markers."""
    random = np.random.default_rng(1)
    model = REPOSITORY / "src" / "rnnimp" / "demo" / "kgp3_chr22"
    sites: dict[int, str] = {}
    for legend in sorted(model.glob("*.legend.gz")):
        with gzip.open(legend, "rt", encoding="utf-8") as lines:
            header = next(lines).split()
            for row in (dict(zip(header, line.split(), strict=True)) for line in lines):
                if row["array_marker_flag"] == "1":
                    alleles = random.random((40, 2)) < float(row["a1_freq"])
                    genotypes = "\t".join(f"{min(pair):d}/{max(pair):d}" for pair in alleles)
                    fields = f"22\t{row['position']}\t{row['id']}\t{row['a0']}\t{row['a1']}\t.\tPASS\t.\tGT"
                    sites[int(row["position"])] = f"{fields}\t{genotypes}"
    names = "\t".join(f"P{number}" for number in range(40))
    head = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=Genotype>\n##contig=<ID=22>\n"
    columns = f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n"
    path.write_text(head + columns + "\n".join(sites[position] for position in sorted(sites)) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_the_five_lines_of_the_readme_run(shell: Callable[[str], str], tmp_path: Path) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    (lines,) = (block for block in blocks(README, "sh") if "beagle" in block)
    write_cohort(tmp_path / "cohort.vcf")
    make_cohort = "plink2 --vcf cohort.vcf --make-bed --out cohort\n"
    printed = shell(f"{make_cohort}{lines}plink2 --pfile chr22.imputed --pgen-info\n")
    assert "imputed," in printed
    assert "dosages present" in printed
    assert "No dosages present" not in printed
