"""`rnnimp` with one simulated failure per region: `python faulty_rnnimp.py -m rnnimp train ...`.

`RNNIMP_FAULTS` names a folder. A file in it has the name of a region and contains `kill`, `memory` or `pause`. After
the region's first checkpoint the file is removed, and the process kills itself, takes a gigabyte of memory or sleeps.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rnnimp.cli import main
from rnnimp.training.checkpoint import CheckpointFile

SECONDS_OF_PAUSE = 120.0

write = CheckpointFile.write


def write_and_have_an_accident(self: CheckpointFile, state: dict[str, Any]) -> None:
    """Write a checkpoint, then fail as the region's file says."""
    write(self, state)
    fault = Path(os.environ["RNNIMP_FAULTS"]) / self.path.parent.name
    if not fault.exists():
        return
    kind = fault.read_text()
    fault.unlink()
    ballast = b"x" * 10**9 if kind == "memory" else b""
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(SECONDS_OF_PAUSE)
    raise AssertionError(f"the task was not killed; it uses {len(ballast)} extra bytes")


if __name__ == "__main__":
    CheckpointFile.write = write_and_have_an_accident  # type: ignore[method-assign]
    CheckpointFile.is_due = lambda self: True  # type: ignore[method-assign]
    sys.exit(main(sys.argv[3:]))
