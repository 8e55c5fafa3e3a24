"""Settings that Triton reads when it is imported, and fixtures for tests of several folders."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` where there is no GPU."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")


@pytest.fixture
def few_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sum the gradients in two chunks of markers: each has several markers, and Triton's interpreter is quick."""
    monkeypatch.setattr("rnnimp.network.recurrent.gpu.network_batch.CHUNKS", 2)
