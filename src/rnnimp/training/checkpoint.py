"""Checkpoint files, from which training resumes."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import torch

from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output


def require_engine(state: dict[str, Any], engine: str, path: Path) -> None:
    """Refuse to resume an unfinished training with another engine.

    Raises:
        DataError: naming both.
    """
    if state["engine"] != engine:
        raise DataError(
            f"was begun with --engine {state['engine']} and cannot resume with {engine}; use the same engine, or "
            "--no-resume to train from the start",
            path,
        )


class CheckpointFile:
    """The state of one network's training. A file is complete or absent.

    Args:
        path: the file.
        seconds: after this time the next write is due.
    """

    def __init__(self, path: Path, seconds: float = 30.0) -> None:
        self.path = path
        self._seconds = seconds
        self._written = time.monotonic()

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """The state, tensors on `device`; None if there is no file yet.

        Raises:
            DataError: if the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, map_location=device, weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file
            raise DataError(
                f"the checkpoint is damaged ({type(error).__name__}); delete it to train this network again", self.path
            ) from error
        return state

    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self._seconds

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_output(self.path) as file:
            file.write(buffer.getbuffer())
        self._written = time.monotonic()
