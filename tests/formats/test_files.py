"""Reading packed and plain files, and writing files that are complete or absent."""

from __future__ import annotations

import gzip
import importlib
import os
import resource
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rnnimp.errors import DataError
from rnnimp.formats import files

TEXT = b"".join(b"%d 0 1 1 0\n" % number for number in range(5000))


@pytest.fixture(params=["isal", "standard library"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as it is with and without isal installed."""
    if request.param == "standard library":
        monkeypatch.setitem(sys.modules, "isal", None)
    loaded = importlib.reload(files)
    assert (loaded._GZIP is gzip) == (request.param == "standard library")
    yield loaded
    monkeypatch.undo()
    importlib.reload(files)


def read(module: ModuleType, path: Path, piece: int = -1) -> bytes:
    with module.open_input(path) as file:
        return b"".join(iter(lambda: file.read(piece), b""))


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz", "new/folders/x.gz"])
def test_what_is_written_is_read_back(module: ModuleType, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with module.atomic_output(path) as file:
        file.write(TEXT[:100])
        file.write(TEXT[100:])
    assert read(module, path) == read(module, path, piece=7) == TEXT
    assert path.read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert [entry.name for entry in path.parent.iterdir() if entry.is_file()] == [path.name]


def test_content_not_the_name_tells_the_compression(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "packed.txt").write_bytes(gzip.compress(TEXT))
    (tmp_path / "plain.gz").write_bytes(TEXT)
    assert read(module, tmp_path / "packed.txt") == read(module, tmp_path / "plain.gz") == TEXT


def test_gzip_of_several_members_and_zero_padding(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(TEXT[:999]) + gzip.compress(b"") + gzip.compress(TEXT[999:]) + bytes(512))
    assert read(module, path) == read(module, path, piece=10) == TEXT


@pytest.mark.parametrize("piece", [-1, 50, 1 << 24])
def test_a_gzip_cut_anywhere_is_noticed(module: ModuleType, tmp_path: Path, piece: int) -> None:
    """Header, data, checksum and length: no cut may read as a shorter file."""
    path = tmp_path / "x.gz"
    whole = gzip.compress(TEXT[:300])
    for length in range(2, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"x\.gz: the gzip data are truncated or damaged"):
            read(module, path, piece)


def test_damage_is_noticed(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    whole = gzip.compress(TEXT[:2000])
    for damaged in (
        whole[:-8] + b"\0\0\0\0" + whole[-4:],
        whole[:-4] + b"\0\0\0\1",
        whole[:60] + bytes(99) + whole[159:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="truncated or damaged"):
            read(module, path)


def bgzf_block(data: bytes) -> bytes:
    """A block as the SAM specification, section 4.1, defines it."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(data) + packer.flush()
    size = len(packed) + 25
    header = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", size)
    return header + packed + struct.pack("<II", zlib.crc32(data), len(data))


def test_bgzip_data_cut_between_blocks_are_noticed(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    blocks = [bgzf_block(TEXT[:500]), bgzf_block(TEXT[500:]), bgzf_block(b"")]
    path.write_bytes(b"".join(blocks))
    assert read(module, path) == TEXT
    for n_blocks in (1, 2):
        path.write_bytes(b"".join(blocks[:n_blocks]))
        with pytest.raises(DataError, match=r"x\.gz: the bgzip data have no end mark"):
            read(module, path)


@pytest.mark.parametrize("packed", [False, True])
def test_pipes_are_read(module: ModuleType, tmp_path: Path, packed: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = gzip.compress(TEXT) if packed else TEXT
    writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()
    assert read(module, pipe) == TEXT
    writer.join()


def test_pipes_are_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with files.atomic_output(pipe) as file:
        file.write(b"through")
    reader.join()
    assert received == [b"through"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(("name", "reason"), [("absent.txt", "No such file"), ("folder", "directory")])
def test_unreadable_input_is_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"{name}: cannot be read \(.*{reason}.*check"):
        files.read_lines(tmp_path / name)


def test_a_failing_read_is_named() -> None:
    with pytest.raises(DataError, match=r"/proc/self/mem: cannot be read \(Input/output error\)"):
        files.read_lines("/proc/self/mem")


@pytest.mark.parametrize("name", ["file/below.txt", "folder"])
def test_unwritable_output_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(DataError, match=rf"{name}: cannot be written \(.*check the folder"),
        files.atomic_output(tmp_path / name),
    ):
        pytest.fail("the place must be refused before the work starts")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


@contextmanager
def little_space(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond some bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100_000, 2000])  # of which the second fails at the end only, for it is buffered
@pytest.mark.parametrize("name", ["first", "second.gz"])
def test_a_full_disk_leaves_nothing_and_names_the_file(tmp_path: Path, name: str, size: int) -> None:
    content = np.random.default_rng(1).bytes(size)  # which no compression shrinks
    with (
        pytest.raises(DataError, match=rf"{name}: cannot be written \(File too large"),
        little_space(1000),
        files.AtomicGroup() as group,
    ):
        opened = {other: group.open(tmp_path / other) for other in ("first", "second.gz")}
        opened[name].write(content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["input", "output"])
def test_errors_of_the_caller_are_left_alone(tmp_path: Path, where: str) -> None:
    (tmp_path / "x").write_bytes(TEXT)
    context = files.open_input(tmp_path / "x") if where == "input" else files.atomic_output(tmp_path / "y")
    with pytest.raises(OSError, match="of something else"), context:
        raise OSError("of something else")
    assert names_in(tmp_path) == ["x"]


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("name", ["x.txt", "x.gz"])
def test_nothing_is_left_on_any_exception(tmp_path: Path, name: str, error: type[BaseException]) -> None:
    with pytest.raises(error), files.atomic_output(tmp_path / name) as file:
        file.write(TEXT)
        raise error
    assert list(tmp_path.iterdir()) == []


def test_the_older_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt), files.atomic_output(path) as file:
        file.write(b"newer")
        raise KeyboardInterrupt
    assert path.read_text() == "older"
    with files.atomic_output(path) as file:
        file.write(b"newer")
        file.flush()
        assert path.read_text() == "older"
    assert path.read_text() == "newer"


def test_a_group_takes_its_names_together(tmp_path: Path) -> None:
    with files.AtomicGroup() as group:
        for name in ("a", "b.gz"):
            group.open(tmp_path / name).write(TEXT)
        with files.AtomicGroup(within=group) as inner:
            inner.open(tmp_path / "c").write(TEXT)
        assert not set(names_in(tmp_path)) & {"a", "b.gz", "c"}
    assert names_in(tmp_path) == ["a", "b.gz", "c"]
    assert read(files, tmp_path / "b.gz") == TEXT


@pytest.mark.parametrize(("failing", "left"), [(1, ["a"]), (2, []), (3, [])])
@pytest.mark.parametrize("error", [PermissionError(1, "Not permitted"), KeyboardInterrupt()])
def test_a_failing_rename_mixes_no_new_and_older_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, left: list[str], error: BaseException
) -> None:
    for name in "abc":
        (tmp_path / name).write_text("older")
    replace, calls = Path.replace, 0

    def fail(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        contents = {path.read_text() for path in tmp_path.iterdir() if len(path.name) == 1}
        assert len(contents) == 1 or calls == 1
        if calls == failing:
            raise error
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    expected = DataError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught, files.AtomicGroup() as group:
        for name in "abc":
            group.open(tmp_path / name).write(b"newer")
    assert names_in(tmp_path) == left
    assert all((tmp_path / name).read_text() == "older" for name in left)
    if isinstance(error, OSError):
        assert str(caught.value).startswith(f"{tmp_path / 'abc'[failing - 1]}: cannot be written (Not permitted)")


def test_a_full_disk_at_the_last_bytes_leaves_the_older_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("older")
    with (
        pytest.raises(DataError, match=r"/dev/full: cannot be written \(No space left"),
        files.AtomicGroup() as group,
    ):
        group.open(tmp_path / "a").write(b"newer")
        group.open("/dev/full").write(b"newer")  # buffered, so that closing it fails
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "older"


def test_the_same_content_gives_the_same_bytes(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, now in (("first.gz", 1e9), ("second.gz", 1.5e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        with module.atomic_output(tmp_path / name) as file:
            file.write(TEXT)
    assert (tmp_path / "first.gz").read_bytes() == (tmp_path / "second.gz").read_bytes()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_follows_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with files.atomic_output(tmp_path / "x"):
            pass
        assert (tmp_path / "x").stat().st_mode & 0o777 == mode
        assert os.umask(mask) == mask
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a b\nc\n", ["a b", "c"]),
        (b"a b\r\nc", ["a b", "c"]),
        (b"\xef\xbb\xbfa\n", ["a"]),
        (b"a\n\n", ["a", ""]),
    ],
)
def test_lines(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    (tmp_path / "x").write_bytes(content)
    assert files.read_lines(tmp_path / "x") == lines


def test_binary_data_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="x: expected text, found binary data"):
        files.read_lines(tmp_path / "x")


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/urandom", "/dev/null"])
def test_a_device_is_no_input(name: str) -> None:
    with (
        pytest.raises(DataError, match=f"{name}: expected a file, found a device; check the path"),
        files.open_input(name),
    ):
        pass


def test_a_text_that_unpacks_to_a_hundred_times_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x" * (1 << 20)) * 65)  # 68 MB unpacked, a thousandth packed
    with pytest.raises(DataError, match=r"x\.gz: expected at most 67 MB of text in a file of its kind and size"):
        files.read_lines(path)


def test_well_packed_small_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x\n" * (1 << 22)))
    assert len(files.read_lines(path)) == 1 << 22


def test_a_line_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x" * (1 << 20)) * 40)
    with (
        pytest.raises(DataError, match=r"x\.gz: expected lines of at most 34 MB, found a longer one"),
        files.open_input(path) as file,
    ):
        list(files.whole_lines(file, path))
