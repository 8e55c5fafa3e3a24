"""Two controls that the same attacks see: a model that knows frequencies only, and one that has the panel itself.

A floor that is not at chance shows that the people differ in other ways than membership. A ceiling that is near chance
shows that the attacks are too weak, or the regions too few.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnimp.privacy.region import UNKNOWN, AuditedRegion, Floats


def floor(region: AuditedRegion) -> AuditedRegion:
    """The region of a model that gives everybody the legend's allele frequencies; without HMM."""
    frequencies = np.full(len(region.is_marker), UNKNOWN) if region.frequencies is None else region.frequencies
    of_sites = np.nan_to_num(frequencies[~region.is_marker], nan=UNKNOWN).astype(np.float32)
    return replace(region, expected=np.broadcast_to(of_sites[:, None], region.expected.shape), states=None)


def ceiling(region: AuditedRegion, expected: Floats, panel_states: Floats | None) -> AuditedRegion:
    """The region of the Li & Stephens model with the whole panel, in which members find themselves.

    Args:
        region: The model's region.
        expected: P(a1) at the imputed sites by the panel with the person, float32 (n_sites, n_haplotypes).
        panel_states: Log odds of a1 of the panel's haplotypes as states, float32 (n_rows, n_states); None to leave out
            the attacks that read states.
    """
    return replace(region, expected=expected, states=panel_states)
