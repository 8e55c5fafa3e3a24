"""The progress of a training in a notebook or a terminal, drawn by tqdm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnimp.pipeline.train.progress import ProgressNote


class NoDisplay:
    """Shows nothing."""

    def __enter__(self) -> NoDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def start(self, n_regions: int) -> None:
        """Take in how many regions there are."""

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Take in how far a region is."""

    def finish_region(self, region: int) -> None:
        """Take in that a region has ended."""


class TrainingBar(NoDisplay):
    """A bar over all regions, with the last validation R2 behind it. Without tqdm nothing is shown."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shares: dict[int, float] = {}

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, n_regions: int) -> None:
        """Begin the bar."""
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self._bar = tqdm(total=float(n_regions), desc=f"train {n_regions} regions", bar_format=layout)

    def show(self, region: int, note: ProgressNote | None) -> None:
        """Move the bar by the share of the region that is done."""
        if note is None:
            return
        self._move(region, note.share_done)
        if self._bar is not None and note.validation_r2 is not None:
            self._bar.set_postfix_str(f"region {region}, validation R2 {note.validation_r2:.4f}", refresh=False)

    def finish_region(self, region: int) -> None:
        """Move the bar to the region's end."""
        self._move(region, 1.0)

    def _move(self, region: int, share: float) -> None:
        before = self._shares.get(region, 0.0)
        self._shares[region] = share
        if self._bar is not None:
            self._bar.update(share - before)
