"""A copying network in plain PyTorch: the reference for every faster way of running it.

A haplotype is read as a mosaic of K states, as the copying model of Li & Stephens (2003) reads it as a mosaic of other
haplotypes. What the states emit at markers and at imputed sites is given (`training/states.py`); how readily they are
entered and left at each gap between markers are weights that training finds. With `e` what a state makes of a marker's
allele, `q` how readily it is entered and `l` how readily it is left at a gap, a state's weight from the left, `f`, and
from the right, `v`, follow

    F_m = (f_m + q_m) * e_m,        f_m+1 = F_m / <l_m+1, F_m>,     f_0 = 0
    V_m = (v_m+1 + l_m+1) * e_m,    v_m   = V_m / <q_m, V_m>,       v_M = 0

over markers m and the gaps m (before it) and m + 1 (after it). In a gap a state is either kept, or left or entered
half-way:

    w = f * v + (l * f + q * v) / 2,

and P(a1) of a site is the mean of what the states emit there, weighted by the w of its gap. This is the forward and the
backward pass of a hidden Markov model whose transition keeps a state with weight 1 and goes from k to j with weight
l_k q_j.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnimp.network.hmm.weights import GATE_STEP, MIXTURE_WEIGHT, ODDS_STEP, MixtureWeight
from rnnimp.network.hmm.weights import LEAST_PROBABILITY as LEAST_PROBABILITY

_FIRST_LEAVING = -4.0


class HaplotypeHmm(nn.Module):
    """One copying network of a region: allele probabilities at the markers in, two logits a site out.

    Attributes:
        emission: float32 (n_markers, n_states), log odds of a1; not trained.
        site: float32 (n_sites, n_states), log odds of a1 at imputed sites; not trained.
        enter: float32 (n_markers + 1, n_states), log of q; a row a gap, the last is not read.
        leave: float32 (n_markers + 1, n_states), log of l; the first is not read.

    Args:
        emission: as above.
        site: as above.
        gaps: int64 (n_sites,), markers before each site, from `gaps_of_sites`.
    """

    emission: Tensor
    site: Tensor
    gap: Tensor

    def __init__(self, emission: Tensor, site: Tensor, gaps: NDArray[np.int64]) -> None:
        super().__init__()
        n_markers, n_states = emission.shape
        self.register_buffer("emission", emission)
        self.register_buffer("site", site)
        self.enter = nn.Parameter(torch.full((n_markers + 1, n_states), -math.log(n_states)))
        self.leave = nn.Parameter(torch.full((n_markers + 1, n_states), _FIRST_LEAVING))
        self.register_buffer("gap", torch.as_tensor(gaps), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of both alleles at every imputed site.

        Args:
            inputs: float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)]. An allele that is not certain is taken for
                missing: it says nothing.

        Returns:
            float32 (n_sites, n_haplotypes, 2); their softmax is [P(a0), P(a1)].
        """
        emitted = emission(inputs[:, :, 1].T[:, :, None], torch.sigmoid(self.emission)[:, None])
        enter, leave = self.enter.exp(), self.leave.exp()
        left = passed(emitted, enter, leave)
        right = passed(emitted.flip(0), leave.flip(0), enter.flip(0)).flip(0)
        weights = left * right + 0.5 * (leave[:, None] * left + enter[:, None] * right)
        weights = weights / weights.sum(2, keepdim=True)
        emits = torch.sigmoid(self.site)
        alt = torch.bmm(weights[self.gap], emits[:, :, None])[:, :, 0]
        alt = alt.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return torch.stack([(1 - alt).log(), alt.log()], dim=2)


def is_certain(alt: Tensor) -> Tensor:
    """Where an allele, given as P(a1), is not missing."""
    return (alt == 0) | (alt == 1)


def emission(alt: Tensor, chance: Tensor) -> Tensor:
    """What each state makes of each allele.

    Args:
        alt: float (n_markers, n_haplotypes, 1), P(a1); other than 0 and 1 for missing.
        chance: float (n_markers, 1, n_states), P(a1) that a state emits.

    Returns:
        float (n_markers, n_haplotypes, n_states).
    """
    agrees = alt * chance + (1 - alt) * (1 - chance)
    return torch.where(is_certain(alt), agrees, 1.0)


def passed(emitted: Tensor, enter: Tensor, leave: Tensor) -> Tensor:
    """The weights from the left at every gap; from the right, given all of it from the last to the first.

    Args:
        emitted: float (n_markers, n_haplotypes, n_states), what each state makes of each allele.
        enter: float (n_markers + 1, n_states), q; from the right l.
        leave: the same the other way round.

    Returns:
        float (n_markers + 1, n_haplotypes, n_states).
    """
    states = torch.zeros_like(emitted[0])
    of_gaps = [states]
    for marker, here in enumerate(emitted):
        reached = (states + enter[marker]) * here
        states = reached / (reached @ leave[marker + 1])[:, None]
        of_gaps.append(states)
    return torch.stack(of_gaps)


@torch.no_grad()
def round_weights(network: HaplotypeHmm) -> None:
    """Round the weights, in place, to what an exported graph can hold."""
    for weight, step in (
        (network.emission, ODDS_STEP),
        (network.site, ODDS_STEP),
        (network.enter, GATE_STEP),
        (network.leave, GATE_STEP),
    ):
        weight.copy_((weight / step).round().clamp(-127, 127) * step)


def combined(logits: Tensor, copied: Tensor, inputs: Tensor) -> Tensor:
    """Final logits of recurrent and copying networks: a mean, in which the copying network counts for the more the more
    markers are missing, for it alone can leave them out.

    Args:
        logits: float32 (n_sites, n_haplotypes, 2), of the recurrent networks.
        copied: the same of the copying network.
        inputs: float32 (n_haplotypes, n_markers, 2), [P(a0), P(a1)]; other than 0 and 1 for missing.

    Returns:
        float32 (n_sites, n_haplotypes, 2).
    """
    alt = inputs[:, :, 1]
    share = mixture_weight(1 - is_certain(alt).to(alt.dtype).mean(1))[:, None]
    return (1 - share) * logits + share * copied


def mixture_weight(missing: Tensor, share: MixtureWeight = MIXTURE_WEIGHT) -> Tensor:
    """The copying network's share in the final log odds, from the share of missing markers."""
    return (share.with_all + share.of_missing * missing).clamp(max=1)
