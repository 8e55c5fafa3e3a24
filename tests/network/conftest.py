"""Float32 products on every machine."""

import pytest

from rnnimp.imputation.engines.cpu_kernels import PRODUCTS_VARIABLE


@pytest.fixture(autouse=True)
def float32_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests compare to the fifth decimal. `recurrent/cpu/test_integer_stacks.py` has the 16-bit products."""
    monkeypatch.setenv(PRODUCTS_VARIABLE, "float32")
