"""Which engine imputes a region, and what each engine refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import torch

from helpers import REPOSITORY, error_line, random_panel, shared_data
from rnnimp.cli import main
from rnnimp.errors import DataError, RnnimpError, SettingsError
from rnnimp.formats.bundle import BundleRegion, open_bundle
from rnnimp.formats.hapslegend import write_legend
from rnnimp.formats.vcf.reading import open_panel
from rnnimp.imputation.engines.choice import load_engine
from rnnimp.imputation.engines.cpu_kernels import PRODUCTS_VARIABLE, KernelEngine
from rnnimp.imputation.engines.onnx_runtime import load_onnx_engine
from rnnimp.imputation.engines.protocol import RegionEngine
from rnnimp.imputation.engines.torch_gpu import TorchEngine
from rnnimp.network.graph.reading import read_folded_network
from rnnimp.network.kernels.integers import can_multiply_pairs, has_pair_products
from small_networks import exported, random_inputs
from tiny_model import tiny_chromosome, write_tiny_bundle

FLAGS = "..m.mm..m."


@pytest.fixture
def own_region(tmp_path: Path) -> BundleRegion:
    """A region with a graph of our own export."""
    return make_region(tmp_path, FLAGS)


def make_region(folder: Path, flags: str, legend_flags: str | None = None) -> BundleRegion:
    is_marker = np.array([flag == "m" for flag in legend_flags or flags])
    sites = random_panel(np.random.default_rng(1), len(is_marker), chromosome=None).sites
    sites.is_marker[:] = is_marker
    write_legend(folder / "m_1.legend.gz", sites)
    (folder / "m_1.onnx").write_bytes(exported("GRU", flags).SerializeToString())
    return open_bundle(folder / "m").regions[0]


def kernel_of(engine: RegionEngine) -> object:
    return getattr(engine, "_engine", None)


def test_our_graphs_run_on_the_kernels_and_agree(own_region: BundleRegion) -> None:
    engine = load_engine(own_region)
    assert isinstance(kernel_of(engine), KernelEngine)
    inputs = random_inputs(40, 4)
    np.testing.assert_allclose(engine(inputs), load_onnx_engine(own_region)(inputs), rtol=0, atol=5e-4)


def test_float32_products_agree_to_the_fifth_decimal(own_region: BundleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRODUCTS_VARIABLE, "float32")
    inputs = random_inputs(40, 4)
    found = load_engine(own_region)(inputs)
    np.testing.assert_allclose(found, load_onnx_engine(own_region)(inputs), rtol=0, atol=1e-5)


def test_the_variable_chooses_the_products(own_region: BundleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {cell: read_folded_network(exported(cell, FLAGS).SerializeToString()) for cell in ("GRU", "LSTM")}
    monkeypatch.setenv(PRODUCTS_VARIABLE, "int16")
    if can_multiply_pairs():
        assert KernelEngine(networks["GRU"]).products == "int16"
        assert KernelEngine(networks["LSTM"]).products == "float32"
    assert KernelEngine(networks["GRU"], "float32").products == "float32"
    monkeypatch.delenv(PRODUCTS_VARIABLE)
    assert KernelEngine(networks["GRU"]).products == ("int16" if has_pair_products() else "float32")
    monkeypatch.setenv(PRODUCTS_VARIABLE, "int8")
    with pytest.raises(SettingsError, match="RNNIMP_CPU_PRODUCTS must be one of auto, float32, int16, found int8"):
        load_engine(own_region)


def test_int16_products_need_avx2(own_region: BundleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "+sse2")
    assert load_engine(own_region).haplotypes_per_run  # no error: float32
    monkeypatch.setenv(PRODUCTS_VARIABLE, "int16")
    with pytest.raises(SettingsError, match="needs a processor with AVX2"):
        load_engine(own_region)


def real_alleles(region: BundleRegion, n_samples: int) -> np.ndarray:
    """Alleles of panel samples at a region's sites, int8 (n_sites, n_haplotypes)."""
    first, last = region.sites.positions[[0, -1]]
    stream = open_panel(shared_data("kgp3_chr22/panel.vcf.gz"), f"22:{first}-{last}", keep_first_duplicate=True)
    panel = stream.read().take_samples(np.arange(n_samples))
    row_of = {key: row for row, key in enumerate(panel.sites.keys())}
    alleles = []
    for position, a0, a1 in region.sites.keys():
        row = row_of.get((position, a0, a1))
        alleles.append(panel.alleles[row] if row is not None else 1 - panel.alleles[row_of[position, a1, a0]])
    return np.array(alleles)


def mean_r2(truth: np.ndarray, dosages: np.ndarray) -> float:
    varies = truth.std(axis=1) > 0
    pairs = zip(truth[varies], dosages[varies].astype(np.float64), strict=True)
    return float(np.mean([np.corrcoef(*pair)[0, 1] ** 2 for pair in pairs]))


@pytest.mark.slow
@pytest.mark.skipif(not can_multiply_pairs(), reason="the processor has no AVX2")
def test_int16_products_stay_near_onnx_runtime_on_real_haplotypes() -> None:
    """The packaged model and samples of its panel: 0.002 in any dosage, 0.0003 in mean r2."""
    region = open_bundle(REPOSITORY / "src/rnnimp/demo/kgp3_chr22/chr22").regions[2]
    alleles = real_alleles(region, 60)
    alt = alleles[region.marker_rows].T.astype(np.float32)
    inputs = np.stack([1 - alt, alt], axis=-1)
    engine = KernelEngine(read_folded_network(region.model_path.read_bytes()), "int16")
    found, exact = (part[:, ::2] + part[:, 1::2] for part in (engine(inputs), load_onnx_engine(region)(inputs)))
    assert np.abs(found - exact).max() < 0.002
    truth = alleles[region.imputed_rows]
    truth = truth[:, ::2] + truth[:, 1::2]
    assert abs(mean_r2(truth, found) - mean_r2(truth, exact)) < 0.0003


def test_pytorch_agrees_too(own_region: BundleRegion) -> None:
    for cell in ("GRU", "LSTM"):
        network = read_folded_network(exported(cell, FLAGS).SerializeToString())
        inputs = random_inputs(40, 4)
        expected = KernelEngine(network, "float32")(inputs)
        np.testing.assert_allclose(TorchEngine(network, "cpu")(inputs), expected, rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_a_gpu_agrees_too(own_region: BundleRegion) -> None:
    engine = load_engine(own_region, "cuda")
    assert isinstance(kernel_of(engine), TorchEngine)
    inputs = random_inputs(40, 4)
    np.testing.assert_allclose(engine(inputs), load_onnx_engine(own_region)(inputs), rtol=0, atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["impute", "--vcf", "t.vcf", "--model-prefix", "m", "--output-prefix", f"{tmp_path}/x"]
    assert main([*command, "--device", "cuda"]) == 2
    assert "--device cuda needs a GPU that PyTorch or onnxruntime-gpu can use" in error_line(capsys)


def hide(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a package one that is not installed."""
    loaded = ("rnnimp.network.graph.", "rnnimp.network.recurrent.", "rnnimp.imputation.engines.cpu_kernels", f"{name}.")
    hidden = sorted(key for key in sys.modules if key.startswith(loaded) and not key.endswith(".limits"))
    for module in hidden:
        package, _, child = module.rpartition(".")
        monkeypatch.delattr(sys.modules[package], child, raising=False)  # else it would keep what is imported below
    for module in hidden:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)


def test_without_numba_runs_onnx_runtime(own_region: BundleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_onnx_engine(own_region)(random_inputs(5, 4))
    hide("numba", monkeypatch)
    engine = load_engine(own_region)
    assert type(kernel_of(engine)).__name__ == "_OnnxEngine"
    np.testing.assert_array_equal(engine(random_inputs(5, 4)), expected)


def test_without_onnx_a_model_cannot_be_checked(own_region: BundleRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    hide("onnx", monkeypatch)
    with pytest.raises(RnnimpError, match="the package onnx is needed to check a model before it runs"):
        load_engine(own_region)


def test_other_graphs_run_on_onnx_runtime(tmp_path: Path) -> None:
    _, regions = tiny_chromosome(np.random.default_rng(2), n_regions=1)
    write_tiny_bundle(tmp_path / "m", regions)
    engine = load_engine(open_bundle(tmp_path / "m").regions[0])
    assert type(kernel_of(engine)).__name__ == "_OnnxEngine"


@pytest.mark.parametrize("ending", ["onnx", "ort"])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_onnx_runtime_gives_a_haplotype_the_same_bits_among_any_others(tmp_path: Path, kind: str, ending: str) -> None:
    folder = shared_data("legacy_model") / kind
    for path in (folder / f"s_1.{ending}", folder / "s_1.legend.gz"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    region = open_bundle(tmp_path / "s").regions[0]
    engine = load_onnx_engine(region)
    inputs = random_inputs(40, len(region.marker_rows))
    whole = engine(inputs)
    np.testing.assert_array_equal(engine(inputs[::-1])[:, ::-1], whole)
    for row in (0, 17, 39):
        np.testing.assert_array_equal(engine(inputs[row : row + 1])[:, 0], whole[:, row])


def test_our_graphs_on_onnx_runtime_do_so_too(own_region: BundleRegion) -> None:
    engine, inputs = load_onnx_engine(own_region), random_inputs(70, 4)
    whole = engine(inputs)
    np.testing.assert_array_equal(engine(inputs[::-1])[:, ::-1], whole)
    np.testing.assert_array_equal(engine(inputs[5:6])[:, 0], whole[:, 5])


def test_a_graph_of_other_sites_is_refused(tmp_path: Path) -> None:
    region = make_region(tmp_path, FLAGS, FLAGS + ".")
    with pytest.raises(DataError, match="expected a model of 4 markers and 7 imputed sites"):
        load_engine(region)


def test_a_model_without_numbers_is_refused(own_region: BundleRegion) -> None:
    engine = load_engine(own_region)
    with pytest.raises(DataError, match="predicts what is no number"):
        engine(np.full((3, 4, 2), np.nan, np.float32))
