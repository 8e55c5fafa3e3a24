"""Results of imputations and evaluations, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from report_cases import make_results


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("results"))
