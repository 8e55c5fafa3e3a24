from __future__ import annotations

import numpy as np
import pytest

from rnnimp.pipeline.audit.pictures import ticks


@pytest.mark.parametrize("seed", range(30))
def test_ticks_are_few_round_and_inside(seed):
    rng = np.random.default_rng(seed)
    low, width = float(rng.normal(0, 10)), 10 ** rng.uniform(-6, 6)
    most = int(rng.integers(2, 12))

    found = np.array(ticks(low, low + width, most))

    assert 1 <= len(found) <= most + 1
    assert (found >= low - 1e-6 * width).all() and (found <= low + width * (1 + 1e-6)).all()
