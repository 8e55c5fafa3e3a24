"""Model files: which files are found, which are refused, and the manifest."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import shared_data
from rnnimp.errors import DataError
from rnnimp.formats.bundle import (
    Bundle,
    Manifest,
    manifest_path,
    open_bundle,
    read_manifest,
    write_manifest,
)
from rnnimp.formats.hapslegend import write_legend
from rnnimp.imputation.engines.onnx_runtime import load_session
from rnnimp.sites.panel import as_strings
from tiny_model import TinyRegion, manifest_of, tiny_chromosome, write_tiny_bundle, write_tiny_model


@pytest.fixture
def regions() -> list[TinyRegion]:
    return tiny_chromosome(np.random.default_rng(1))[1]


@pytest.fixture
def prefix(tmp_path: Path, regions: list[TinyRegion]) -> Path:
    write_tiny_bundle(tmp_path / "m", regions)
    return tmp_path / "m"


def error_of(prefix: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_bundle(prefix)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def load_error(bundle: Bundle) -> str:
    with pytest.raises(DataError) as caught:
        load_session(bundle.regions[0])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_regions_are_listed_by_number(prefix: Path, regions: list[TinyRegion]) -> None:
    bundle = open_bundle(prefix)
    assert [region.index for region in bundle.regions] == [1, 2, 3]
    assert [region.sites.keys() for region in bundle.regions] == [region.sites.keys() for region in regions]
    assert bundle.manifest is None
    assert bundle.chromosome is None


def test_ten_regions_are_in_order_of_number(tmp_path: Path, regions: list[TinyRegion]) -> None:
    write_tiny_bundle(tmp_path / "m", [regions[0]] * 10)
    assert [region.index for region in open_bundle(tmp_path / "m").regions] == list(range(1, 11))


def test_files_of_another_prefix_are_not_taken(prefix: Path, regions: list[TinyRegion]) -> None:
    write_tiny_bundle(prefix.parent / "m_1", regions)
    write_tiny_bundle(prefix.parent / "am", regions, numbers=[4, 5, 6])
    assert len(open_bundle(prefix).regions) == 3


@pytest.mark.parametrize(
    ("removed", "named"),
    [
        (["m_3.onnx"], "m_3.onnx"),
        (["m_2.legend.gz"], "m_2.legend.gz"),
        (["m_2.onnx", "m_2.legend.gz"], "nothing of region 2"),
        (["m_1.onnx", "m_1.legend.gz"], "nothing of region 1"),
        ([f"m_{i}.{ending}" for i in (1, 2, 3) for ending in ("onnx", "legend.gz")], "check --model-prefix"),
    ],
)
def test_what_is_missing_is_named(prefix: Path, removed: list[str], named: str) -> None:
    for name in removed:
        (prefix.parent / name).unlink()
    assert named in error_of(prefix)


def test_absent_folder_is_named(tmp_path: Path) -> None:
    assert "nowhere" in error_of(tmp_path / "nowhere" / "m")


def test_legend_without_marker_flags_is_refused(prefix: Path, regions: list[TinyRegion]) -> None:
    write_legend(f"{prefix}_1.legend.gz", replace(regions[0].sites, is_marker=None))
    assert "m_1.legend.gz:1: expected the column array_marker_flag" in error_of(prefix)


def test_chromosome_comes_from_the_ids(tmp_path: Path, regions: list[TinyRegion]) -> None:
    named = [replace(region.sites, ids=as_strings(f"20:{name}" for name in region.sites.ids)) for region in regions]
    write_tiny_bundle(
        tmp_path / "m", [replace(region, sites=sites) for region, sites in zip(regions, named, strict=True)]
    )
    assert open_bundle(tmp_path / "m").chromosome == "20"


def test_session_has_the_shapes_of_the_legend(prefix: Path) -> None:
    region = open_bundle(prefix).regions[1]
    session = load_session(region)
    inputs = np.zeros((3, len(region.marker_rows), 2), np.float32)
    assert session.run(None, {"inputs": inputs})[0].shape == (len(region.imputed_rows), 3, 2)


def test_corrupt_model_is_one_clear_line(prefix: Path) -> None:
    bundle = open_bundle(prefix)
    path = bundle.regions[0].model_path
    path.write_bytes(path.read_bytes()[:100])
    assert load_error(bundle).startswith(f"{path}: the model is refused: it is no ONNX file, or a damaged one")
    path.write_bytes(b"no model at all")
    assert load_error(bundle).startswith(f"{path}: the model is refused: it is no ONNX file, or a damaged one")


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x10\x00\x00\x00ORTM" + bytes(200)])
def test_corrupt_ort_is_one_clear_line(prefix: Path, content: bytes) -> None:
    Path(f"{prefix}_1.ort").write_bytes(content)
    assert load_error(open_bundle(prefix)).startswith(f"{prefix}_1.ort: the model is refused: it ")


def test_truncated_published_ort_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("s_1.legend.gz", "s_1.ort"):
        shutil.copyfile(shared_data("legacy_model/gru") / name, tmp_path / name)
    path = tmp_path / "s_1.ort"
    path.write_bytes(path.read_bytes()[:50_000])
    assert load_error(open_bundle(tmp_path / "s")).startswith(f"{path}: the model is refused: its tables are damaged")


def test_model_of_another_region_is_refused(prefix: Path, regions: list[TinyRegion]) -> None:
    assert regions[0].weights.shape != regions[1].weights.shape
    write_tiny_model(Path(f"{prefix}_1.onnx"), regions[1].weights)
    message = load_error(open_bundle(prefix))
    n_sites, n_markers = regions[0].weights.shape
    assert f"{n_markers} markers and {n_sites} imputed sites" in message
    assert "another region" in message


def test_published_models_open() -> None:
    bundle = open_bundle(shared_data("legacy_model/lstm") / "s")
    assert bundle.chromosome == "22"
    assert [region.model_path.suffix for region in bundle.regions] == [".ort", ".ort"]
    assert [len(region.sites) for region in bundle.regions] == [116, 128]


def test_manifest_comes_back(prefix: Path, regions: list[TinyRegion]) -> None:
    manifest = manifest_of(prefix, regions)
    write_manifest(prefix, manifest)
    read = read_manifest(prefix)
    summaries = [entry.summary for entry in read.regions]
    assert summaries == [{"validation_r2": 0.5, "never": None}] * 3
    cleaned = tuple(replace(entry, summary={}) for entry in manifest.regions)
    assert replace(read, regions=tuple(replace(entry, summary={}) for entry in read.regions)) == replace(
        manifest, regions=cleaned
    )


def test_manifest_has_no_time_and_a_fixed_order(prefix: Path, regions: list[TinyRegion]) -> None:
    write_manifest(prefix, manifest_of(prefix, regions))
    first = manifest_path(prefix).read_bytes()
    write_manifest(prefix, manifest_of(prefix, regions))
    assert manifest_path(prefix).read_bytes() == first
    keys = list(json.loads(first))
    assert keys == sorted(keys)
    assert set(keys) == {
        *(
            "format",
            "format_version",
            "rnnimp_version",
            "versions",
            "chromosome",
            "settings",
            "seed",
            "regions",
            "n_regions",
        )
    }


def test_manifest_decides_on_the_chromosome(prefix: Path, regions: list[TinyRegion]) -> None:
    write_manifest(prefix, manifest_of(prefix, regions))
    bundle = open_bundle(prefix)
    assert bundle.chromosome == "chr22"
    for region in bundle.regions:
        load_session(region)


def test_exchanged_files_are_found_by_checksum(prefix: Path, regions: list[TinyRegion]) -> None:
    write_manifest(prefix, manifest_of(prefix, regions))
    path = Path(f"{prefix}_1.onnx")
    write_tiny_model(path, regions[0].weights * np.float32(0.5))
    assert load_error(open_bundle(prefix)).startswith(f"{path}: corrupt or exchanged")
    legend = Path(f"{prefix}_2.legend.gz")
    write_legend(legend, regions[2].sites)
    assert error_of(prefix).startswith(f"{legend}: corrupt or exchanged")


def test_a_region_that_the_manifest_does_not_list_is_not_used(
    prefix: Path, regions: list[TinyRegion], caplog: pytest.LogCaptureFixture
) -> None:
    manifest = manifest_of(prefix, regions)
    write_manifest(prefix, replace(manifest, regions=manifest.regions[:2]))
    assert [region.index for region in open_bundle(prefix).regions] == [1, 2]
    assert "m: 1 region not in the manifest, and therefore not used: m_3; run the training again" in caplog.text


@pytest.mark.parametrize(("n_regions", "missing"), [(3, (2,)), (5, (2, 4, 5)), (None, (2,))])
def test_an_unfinished_model_says_what_it_lacks(
    prefix: Path, regions: list[TinyRegion], n_regions: int | None, missing: tuple[int, ...]
) -> None:
    manifest = manifest_of(prefix, regions)
    for path in prefix.parent.glob("m_2.*"):
        path.unlink()
    finished = tuple(entry for entry in manifest.regions if entry.index != 2)
    write_manifest(prefix, replace(manifest, regions=finished, n_regions=n_regions))
    bundle = open_bundle(prefix)
    assert [region.index for region in bundle.regions] == [1, 3]
    assert bundle.missing_regions == missing


def test_legends_of_several_chromosomes_are_refused(prefix: Path, regions: list[TinyRegion]) -> None:
    write_legend(f"{prefix}_1.legend.gz", replace(regions[0].sites, chromosome="chr22"))
    write_legend(f"{prefix}_2.legend.gz", replace(regions[1].sites, chromosome="22"))
    assert open_bundle(prefix).chromosome == "chr22"
    write_legend(f"{prefix}_2.legend.gz", replace(regions[1].sites, chromosome="21"))
    assert "m_2.legend.gz: expected chromosome chr22 as in the rest of the model, found 21" in error_of(prefix)


def test_the_recipe_is_known_where_all_regions_name_the_same(prefix: Path, regions: list[TinyRegion]) -> None:
    manifest = manifest_of(prefix, regions)
    recipe = {"name": "open", "changed_settings": {"n_units": {"model": 8, "recipe": 48}}}
    assert manifest.recipe is None

    def named(*recipes: object) -> Manifest:
        entries = zip(manifest.regions, recipes, strict=True)
        return replace(manifest, regions=tuple(replace(entry, summary={"recipe": one}) for entry, one in entries))

    write_manifest(prefix, named(recipe, recipe, recipe))
    assert read_manifest(prefix).recipe == recipe
    assert named(recipe, {**recipe, "name": "accurate"}, recipe).recipe is None
    write_manifest(prefix, named(recipe, {"name": "open", "changed_settings": {"n_units": 8}}, recipe))
    assert "entry 2 of regions: expected a recipe with its name and changed settings" in error_of(prefix)


def test_model_unknown_to_the_manifest_is_not_used(prefix: Path, regions: list[TinyRegion]) -> None:
    write_manifest(prefix, manifest_of(prefix, regions))
    Path(f"{prefix}_1.ort").write_bytes(b"made later")
    assert open_bundle(prefix).regions[0].model_path.suffix == ".onnx"
    Path(f"{prefix}_1.onnx").unlink()
    assert "the manifest does not name this file" in error_of(prefix)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "expected a manifest of format rnnimp-bundle"),
        ({"format_version": 2}, "expected format version 1, found 2; update rnnimp"),
        ({"colour": "red"}, "colour"),
        ({"regions": [{"index": 1}]}, "entry 1 of regions: expected the fields index, files, n_markers, n_sites, "),
        ({"regions": None}, "expected a list of regions as regions, found None"),
        ({"n_regions": "x"}, "expected a whole number from 1 to 100000, or null as n_regions, found 'x'"),
        ({"n_regions": True}, "as n_regions, found True"),
        ({"n_regions": 2}, "expected the regions 1 to n_regions, 2, found region 3"),
        ({"chromosome": "22>\n##INFO=<ID=X"}, "expected a chromosome's name, or null as chromosome, found '22>\\n##"),
        ({"chromosome": 22}, "as chromosome, found 22"),
        ({"seed": 1.5}, "expected a whole number from 0 to 18446744073709551615 as seed, found 1.5"),
        ({"versions": {"torch": None}}, "expected a text for each name as versions"),
        ({"rnnimp_version": "2\x1b[31m"}, "expected a text without control characters as rnnimp_version"),
        ({"settings": []}, "expected a table of values as settings, found []"),
        ({"format_version": "1"}, "expected format version 1, found '1'"),
    ],
)
def test_malformed_manifest(prefix: Path, regions: list[TinyRegion], change: dict[str, object], message: str) -> None:
    write_manifest(prefix, manifest_of(prefix, regions))
    content = json.loads(manifest_path(prefix).read_text()) | change
    manifest_path(prefix).write_text(json.dumps(content))
    assert message in error_of(prefix)
    manifest_path(prefix).write_text("{")
    assert "expected JSON" in error_of(prefix)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 0}, "entry 2 of regions: expected a whole number from 1 to 100000 as index, found 0"),
        ({"index": 1}, "expected each region once, found the index 1 again"),
        ({"index": 2.0}, "as index, found 2.0"),
        ({"files": {}}, "expected a SHA-256 of 64 hexadecimal digits for each file name as files, found {}"),
        ({"files": {"m_2.onnx": None}}, "expected a SHA-256 of 64 hexadecimal digits for each file name as files"),
        ({"files": {"m_2.onnx": "12"}}, "expected a SHA-256 of 64 hexadecimal digits for each file name as files"),
        ({"files": {"../m_2.onnx": "0" * 64}}, "expected a SHA-256 of 64 hexadecimal digits for each file name"),
        ({"n_markers": -1}, "as n_markers, found -1"),
        ({"n_markers": 1}, "the manifest says n_markers 1, this legend"),
        ({"n_sites": 1}, "the manifest says n_sites 1, this legend"),
        ({"last_position": 2**31}, "as last_position, found 2147483648"),
        ({"first_position": 2**31 - 2}, "expected a first_position that is not behind the last_position"),
        ({"summary": None}, "expected a table of values as summary, found None"),
        ({"summary": {"frequency_step": 2}}, "a number from 0 to 1 as frequency_step, found 2"),
        ({"colour": "red"}, "found 'colour' too"),
    ],
)
def test_malformed_region_of_a_manifest(
    prefix: Path, regions: list[TinyRegion], change: dict[str, object], message: str
) -> None:
    write_manifest(prefix, manifest_of(prefix, regions))
    content = json.loads(manifest_path(prefix).read_text())
    content["regions"][1] |= change
    manifest_path(prefix).write_text(json.dumps(content))
    assert message in error_of(prefix)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": "a", "format": "b"}',
        '{"seed": NaN}',
        "\0",
        "null",
        '{"seed": ' + "1" * 5000 + "}",
        "",
    ],
    ids=["deep", "twice", "NaN", "zero byte", "null", "a number of 5,000 digits", "empty"],
)
def test_json_that_is_no_manifest(prefix: Path, text: str) -> None:
    manifest_path(prefix).write_text(text)
    assert f"{manifest_path(prefix)}: expected" in error_of(prefix)


def rows_of(prefix: Path) -> list[str]:
    return gzip.decompress(Path(f"{prefix}_1.legend.gz").read_bytes()).decode().splitlines()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:1], "expected markers and sites to impute, found 0 markers in 0 sites"),
        (lambda rows: [rows[0], *(f"{row.rsplit(' ', 2)[0]} 1 0.5" for row in rows[1:])], "expected markers and sites"),
        (
            lambda rows: [rows[0], " ".join([*(words := rows[1].split())[:3], words[2], *words[4:]]), *rows[2:]],
            ":2: exp",
        ),
        (lambda rows: [*rows[:2], rows[2].replace(" ", "\x1b ", 1), *rows[3:]], ":3: expected text, found the control"),
        (lambda rows: [*rows[:2], rows[2].replace(" ", "\x85 ", 1), *rows[3:]], ":3: expected text, found the control"),
    ],
)
def test_model_legends_that_are_refused(prefix: Path, change: Callable[[list[str]], list[str]], message: str) -> None:
    rows = change(rows_of(prefix))
    Path(f"{prefix}_1.legend.gz").write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode()))
    assert message in error_of(prefix)


def test_a_manifest_that_is_a_broken_link_does_not_switch_the_checks_off(prefix: Path) -> None:
    manifest_path(prefix).symlink_to(prefix.parent / "nowhere")
    assert "m.manifest.json: cannot be read (No such file or directory)" in error_of(prefix)


def test_a_legend_that_unpacks_to_gigabytes_is_refused_in_little_memory(prefix: Path) -> None:
    part = gzip.compress(b"x 5 A C 0 zzzzz\n" * 2**20)
    Path(f"{prefix}_1.legend.gz").write_bytes(part * 256)  # 4 GB unpacked
    assert "_1.legend.gz: expected at most 67 MB of text in a file of its kind" in error_of(prefix)


@pytest.mark.parametrize("name", ["m_1.legend.gz", "m_1.onnx", "m.manifest.json"])
def test_a_pipe_or_folder_in_place_of_a_file_is_refused(prefix: Path, name: str) -> None:
    path = prefix.parent / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(DataError, match=f"{name}: expected a file, found a pipe; check the path"):
        load_session(open_bundle(prefix).regions[0])
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=f"{name}: expected a file, found a folder; check the path"):
        load_session(open_bundle(prefix).regions[0])
