"""Writing VCF: expected lines, and every number read back from the text."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import random_panel
from rnnimp.errors import DataError
from rnnimp.formats.vcf.header import VcfContent, header_text
from rnnimp.formats.vcf.writing import VcfWriter
from rnnimp.scoring.quality import minimac_r2
from rnnimp.sites.panel import ImputedBlock, Sites


def content_of(block: ImputedBlock, **more: Any) -> VcfContent:
    names = tuple(f"s{index}" for index in range(block.alt_probabilities.shape[1] // 2))
    return VcfContent(names, "22", **more)


def lines_of(block: ImputedBlock) -> list[list[str]]:
    """The fields of each line after the header."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.vcf"
        with VcfWriter(path, content_of(block)) as writer:
            writer.write(block)
        return [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]


def one_site(probabilities: list[float], is_typed: bool, missing: tuple[int, ...] = (), a1: str = "G") -> list[str]:
    is_missing = np.zeros((1, len(probabilities)), dtype=bool)
    is_missing[0, list(missing)] = True
    sites = Sites.build([5], ["A"], [a1], ids=["rs5"])
    (line,) = lines_of(ImputedBlock(sites, np.array([probabilities], np.float32), np.array([is_typed]), is_missing))
    return line


def test_typed_genotypes_are_certain() -> None:
    line = one_site([0, 0, 0, 1, 1, 1, 1, 0], is_typed=True)
    assert line[:7] == ["22", "5", "rs5", "A", "G", ".", "PASS"]
    assert line[7] == "AC=4;AN=8;AF=0.5;MAF=0.5;R2=1;TYPED"
    assert line[8:] == ["GT:DS:GP", "0|0:0:1,0,0", "0|1:1:0,1,0", "1|1:2:0,0,1", "1|0:1:0,1,0"]


def test_imputed_genotypes_are_probabilities() -> None:
    line = one_site([0.1, 0.9, 0.46, 0.46, 1 / 3, 0.5], is_typed=False)
    # the likelier allele of each haplotype would give 0|0 at 0.46 and 0.46, against GP
    assert line[9:] == ["0|1:1:0.09,0.82,0.09", "1|0:0.92:0.292,0.497,0.212", "0|1:0.8333:0.333,0.5,0.167"]
    assert line[7].startswith("AC=3;AN=6;AF=0.458889;MAF=0.458889;R2=")
    assert line[7].endswith(";IMP;IMPUTED")


def test_missing_alleles() -> None:
    line = one_site([0, 1, 0.5, 0.5, 0, 0.5, 0.5, 1], is_typed=True, missing=(2, 3, 5, 6))
    assert line[9:] == ["0|1:1:0,1,0", ".|.:.:.", "0|.:.:.", ".|1:.:."]
    assert line[7] == "AC=2;AN=4;AF=0.5;MAF=0.5;R2=1;TYPED"
    empty = one_site([0.5, 0.5], is_typed=True, missing=(0, 1))
    assert empty[7:] == ["AC=0;AN=0;AF=.;MAF=.;R2=.;TYPED", "GT:DS:GP", ".|.:.:."]


def test_undefined_r2_is_a_dot() -> None:
    assert one_site([0, 0, 0, 0], is_typed=True)[7] == "AC=0;AN=4;AF=0;MAF=0;R2=.;TYPED"


@pytest.mark.parametrize("a1", ["0", "."])
def test_site_without_a_known_alternative(a1: str) -> None:
    line = one_site([0, 0, 0, 0.5], is_typed=True, missing=(3,), a1=a1)
    assert line[3:] == ["A", ".", ".", "PASS", "AN=3;TYPED", "GT", "0|0", "0|."]


def random_block() -> ImputedBlock:
    rng = np.random.default_rng(4)
    panel = random_panel(rng, n_sites=50, n_samples=7)
    probabilities = rng.beta(0.2, 0.6, panel.alleles.shape).astype(np.float32)
    return ImputedBlock(panel.sites, probabilities, np.zeros(50, dtype=bool))


def test_every_number_comes_back() -> None:
    block = random_block()
    lines = lines_of(block)
    assert [(int(line[1]), line[3], line[4]) for line in lines] == block.sites.keys()
    r2 = minimac_r2(block.alt_probabilities)
    for row, line in enumerate(lines):
        probabilities = block.alt_probabilities[row].tolist()
        fields = dict(field.split("=") for field in line[7].split(";") if "=" in field)
        frequency = sum(probabilities) / len(probabilities)
        assert float(fields["AF"]) == pytest.approx(frequency, abs=1e-6)
        assert float(fields["MAF"]) == pytest.approx(min(frequency, 1 - frequency), abs=1e-6)
        assert float(fields["R2"]) == pytest.approx(r2[row], abs=1e-5)
        assert int(fields["AC"]) == sum(cell[:3].count("1") for cell in line[9:])
        assert int(fields["AN"]) == 14
        for a, b, cell in zip(probabilities[::2], probabilities[1::2], line[9:], strict=True):
            genotype, dosage, genotypes = cell.split(":")
            assert float(dosage) == pytest.approx(a + b, abs=5.1e-5)
            values = [float(value) for value in genotypes.split(",")]
            assert values == pytest.approx([(1 - a) * (1 - b), a * (1 - b) + b * (1 - a), a * b], abs=5.1e-4)
            assert values[genotype.count("1")] == max(values)
            assert genotype not in ("0|1", "1|0") or genotype == ("1|0" if a >= b else "0|1")
            assert sum(values) == pytest.approx(1, abs=1.6e-3)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lines_of(random_block())
    monkeypatch.setattr("rnnimp.formats.vcf.writing.ROW_BYTES", 1)
    assert lines_of(random_block()) == whole


def test_header_declares_what_the_lines_use() -> None:
    header = header_text(VcfContent(("a", "b c"), "chr7")).splitlines()
    assert header[0] == "##fileformat=VCFv4.2"
    assert "##contig=<ID=chr7>" in header
    assert any(line.startswith("##source=rnnimp ") for line in header)
    declared = {line.split(",")[0] for line in header}
    for kind, names in {"INFO": "AC AN AF MAF R2 IMP IMPUTED TYPED TYPED_ONLY", "FORMAT": "GT DS GP"}.items():
        assert {f"##{kind}=<ID={name}" for name in names.split()} <= declared
    assert header[-1].split("\t")[8:] == ["FORMAT", "a", "b c"]


def test_sample_name_with_a_tab_is_refused() -> None:
    with pytest.raises(DataError, match="without tabs"):
        VcfContent(("a\tb",), "7")


def test_nothing_is_left_of_an_unfinished_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VcfWriter(tmp_path / "x.vcf", VcfContent(("s",) * 7, "22")) as writer:
        writer.write(random_block())
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
