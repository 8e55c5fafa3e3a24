"""Looking at files, joining imputed ones, and the lists of what is left out: as the commands do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rnnimp
from rnnimp.pipeline.demo import MODEL, PACKAGED

TARGET = PACKAGED / "target.hap.gz"


@pytest.fixture(scope="module")
def model() -> rnnimp.Model:
    return rnnimp.load_model(PACKAGED / MODEL)


def test_files_and_models_are_described(tmp_path: Path) -> None:
    found = rnnimp.inspect(PACKAGED / MODEL)
    assert found.facts["regions"] is not None
    assert not found.problems
    assert rnnimp.inspect(PACKAGED / "target.legend.gz").kind
    with pytest.raises(rnnimp.RnnimpError, match="expected a file, or the prefix of a model, found neither"):
        rnnimp.inspect(tmp_path / "nothing")


def test_batches_are_joined_to_the_whole(model: rnnimp.Model, tmp_path: Path) -> None:
    haplotypes = rnnimp.read_haplotypes(TARGET)
    names = haplotypes.sample_names
    (tmp_path / "first.txt").write_text("\n".join(names[:20]) + "\n")
    batches = [
        rnnimp.impute(model, TARGET, samples=tmp_path / "first.txt"),
        rnnimp.impute(model, TARGET, exclude_samples=tmp_path / "first.txt"),
    ]
    assert [len(batch.sample_names) for batch in batches] == [20, len(names) - 20]
    files = [rnnimp.write_genotypes(batch, tmp_path / f"{number}.vcf.gz") for number, batch in enumerate(batches)]
    merged = rnnimp.read_genotypes(rnnimp.merge(files, tmp_path / "all.vcf.gz"))
    whole = rnnimp.read_genotypes(rnnimp.write_genotypes(rnnimp.impute(model, TARGET), tmp_path / "whole.vcf.gz"))
    assert merged.sample_names == whole.sample_names
    np.testing.assert_array_equal(merged.dosages, whole.dosages)


def test_listed_sites_are_not_typed(model: rnnimp.Model, tmp_path: Path) -> None:
    everything = rnnimp.impute(model, TARGET)
    position = int(everything.sites.positions[everything.is_typed][3])
    (tmp_path / "sites.txt").write_text(f"22:{position}\n")
    found = rnnimp.impute(model, TARGET, exclude_sites=tmp_path / "sites.txt")
    assert position not in found.sites.positions[found.is_typed]
    assert np.count_nonzero(found.is_typed) == np.count_nonzero(everything.is_typed) - 1
