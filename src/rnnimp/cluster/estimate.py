"""How long a region takes to train, from rates that were measured (docs/benchmarks.md).

The estimate is for sizing jobs; other machines differ by a factor of two.
"""

from __future__ import annotations

from dataclasses import dataclass

GPU_REGIONS_AT_ONCE = 33
"""The most regions that a GPU trains side by side."""

SECONDS_TO_START = 30.0
"""Of a task: Python, torch, and the compilation of kernels."""

_SECONDS_PER_REGION = 5.0
_SECONDS_PER_ITERATION = {"cpu fused": 0.640, "cpu reference": 2.405, "gpu fused": 0.000697, "gpu reference": 0.0677}
"""Of one network of `_MEASURED`: CPU on one thread; fused on a GPU with `GPU_REGIONS_AT_ONCE` regions at once."""

_HMM_SECONDS = {"cpu fused": 0.8, "cpu reference": 21.0, "gpu fused": 0.0026, "gpu reference": 0.1}
"""Of an iteration of a haplotype HMM with 1,024 states, and the markers and batch of `_MEASURED`. The last one is not
measured but estimated from its 6,000 kernel launches."""

_FORWARD_SHARE = {"cpu": 0.29, "gpu": 0.19}
"""The forward pass's share of an iteration."""


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that an iteration's time depends on.

    Attributes:
        n_gates: Number of gates of the recurrent cell.
        n_units: Width of the recurrent state.
        n_layers: Mean number of layers of the higher- and the lower-MAF network.
        n_markers: Markers at which a haplotype is read.
        n_sites: Sites to impute.
        batch_size: Haplotypes per iteration.
        n_mixed: Width of the layer that joins both directions.
    """

    n_gates: int
    n_units: int
    n_layers: float
    n_markers: int
    n_sites: int
    batch_size: int
    n_mixed: int = 0

    @property
    def products(self) -> float:
        """Multiplications of an iteration's forward pass."""
        recurrent = self.n_markers * self.n_layers * 2 * self.n_gates * 2 * self.n_units**2
        mixing = self.n_markers * 2 * self.n_units * self.n_mixed
        return self.batch_size * (recurrent + mixing + self.n_sites * (2 * self.n_units + self.n_mixed) * 2)


_MEASURED = NetworkShape(3, 40, 4, 300, 1000, 500)


def region_seconds(
    shape: NetworkShape,
    iterations: int,
    engine: str,
    is_on_gpu: bool,
    n_threads: int = 1,
    trains_hybrid: bool = True,
) -> float:
    """Seconds that a region's networks take.

    Args:
        shape: Shape of the higher- and the lower-MAF network.
        iterations: Iterations of each network.
        engine: `reference` or `fused`.
        is_on_gpu: Whether a GPU trains, where `fused` trains many regions at once. Then this is one region's share.
        n_threads: Threads on a CPU.
        trains_hybrid: Whether a third network, the hybrid, is trained.
    """
    pace = _SECONDS_PER_ITERATION[_kind(engine, is_on_gpu)] * shape.products / _MEASURED.products
    if not is_on_gpu:
        pace /= _gain(n_threads)
    forward_share = _FORWARD_SHARE["gpu" if is_on_gpu else "cpu"]
    networks = 2 + 2 * forward_share * trains_hybrid  # the hybrid runs both networks forward
    return networks * iterations * pace + _SECONDS_PER_REGION


def hmm_seconds(
    shape: NetworkShape, n_states: int, iterations: int, engine: str, is_on_gpu: bool, n_threads: int = 1
) -> float:
    """Seconds that a region's haplotype HMM takes.

    Args:
        shape: Shape of the region.
        n_states: Number of states of the HMM; 0 for none.
        iterations: Iterations of its training.
        engine: See `region_seconds`.
        is_on_gpu: See `region_seconds`.
        n_threads: See `region_seconds`.
    """
    size = n_states * shape.n_markers * shape.batch_size / (1024 * _MEASURED.n_markers * _MEASURED.batch_size)
    pace = _HMM_SECONDS[_kind(engine, is_on_gpu)] * size
    return iterations * pace / (1 if is_on_gpu else _gain(n_threads))


def _kind(engine: str, is_on_gpu: bool) -> str:
    return f"{'gpu' if is_on_gpu else 'cpu'} {engine}"


def _gain(n_threads: int) -> float:
    """How much faster several CPU threads are: two were measured 1.6 times as fast as one."""
    return float(n_threads**0.7)


def in_words(seconds: float) -> str:
    """Seconds as days, hours and minutes, rounded up.

    >>> in_words(59), in_words(3_700), in_words(200_000), in_words(86_400)
    ('1 min', '1 h 2 min', '2 days 8 h', '1 day')
    """
    minutes = -int(-seconds // 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        days, hours = divmod(hours + (minutes > 0), 24)
        return f"{days} {'day' if days == 1 else 'days'}" + (f" {hours} h" if hours else "")
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
