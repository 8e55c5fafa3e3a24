"""Checkpoint files, from which training resumes."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnimp.errors import DataError
from rnnimp.formats.files import atomic_output, require_regular


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


def tensor_like(value: Any, expected: Tensor) -> Tensor:
    """A tensor of a checkpoint that goes in the place of another, whose shape it must have: none is repeated to fit.

    Raises:
        ValueError: if it is none, or has another shape.
    """
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        raise ValueError("a tensor of another shape")
    return value.to(expected.device)


class CheckpointFile:
    """The state of one network's training. A file is complete or absent.

    Args:
        path: The file.
        seconds: After this time the next write is due.
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
        require_regular(self.path)
        try:
            self._require_plain_size()
            state = torch.load(self.path, map_location=device, weights_only=True)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # torch raises many kinds for a damaged file
            raise self._damaged(type(error).__name__) from error
        if not isinstance(state, dict):
            raise self._damaged("no table of values")
        return state

    def _require_plain_size(self) -> None:
        """Refuse a file that unpacks to more than its size: torch stores tensors as they are."""
        with zipfile.ZipFile(self.path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > self.path.stat().st_size:
            raise ValueError("packed")

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Refuse, in one line, a state that is not of this network and version while it is taken up.

        Raises:
            DataError: for a missing part, or one of another type, shape or range.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
            raise self._damaged(f"{type(error).__name__}: not of this network or version") from error

    def _damaged(self, reason: str) -> DataError:
        return DataError(f"the checkpoint is damaged ({reason}); delete it to train this network again", self.path)

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
