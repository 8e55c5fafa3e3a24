"""Too little memory is reported in one line, whatever a library raises."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from rnnimp.cli.memory import NO_MEMORY, is_lack_of_memory, require_address_space
from rnnimp.errors import RnnimpError


def test_causes_are_looked_at_too() -> None:
    outer = ImportError("Error importing numpy")
    outer.__cause__ = ImportError("libx.so: failed to map segment from shared object")
    assert is_lack_of_memory(outer)
    assert is_lack_of_memory(MemoryError())
    assert is_lack_of_memory(OSError(12, "Cannot allocate memory"))
    assert is_lack_of_memory(SystemError("error return without exception set"))
    assert is_lack_of_memory(SystemError("<function f at 0x7f> returned NULL without setting an exception"))
    assert not is_lack_of_memory(ImportError("no module"))
    assert not is_lack_of_memory(SystemError("bad argument to internal function"))


def test_a_limit_that_is_too_low_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (600_000_000, 600_000_000))
    with pytest.raises(RnnimpError, match=r"1\.2 GB or more, found a limit of 0\.6 GB"):
        require_address_space(1_200_000_000, "training")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    require_address_space(1_200_000_000, "training")


@pytest.mark.parametrize("megabytes", [60, 150])
def test_a_process_without_memory_says_so(megabytes: int) -> None:
    code = f"""
import resource
import rnnimp.cli
resource.setrlimit(resource.RLIMIT_AS, ({megabytes} << 20, {megabytes} << 20))
rnnimp.cli.sys.exit(rnnimp.cli.main(["demo", "--output", "/nonexistent/x"]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"rnnimp: error: {NO_MEMORY}"]
