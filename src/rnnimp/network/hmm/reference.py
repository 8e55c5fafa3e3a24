"""The haplotype HMM in plain PyTorch: the reference for every faster way of running it.

This is the model of Li & Stephens (2003, Genetics 165: 2213-2233) with learned transitions. A haplotype is a mosaic of
K hidden states. Each state emits an allele at every marker and every imputed site, with probabilities that are fixed
before training (`training/hmm_states.py`). Training finds how readily a haplotype switches into each state and out of
it, at each gap between markers. With

    e_m   emission probability of a haplotype's allele at marker m, for each state
    q_m   weight of switching into each state at gap m, `exp(switch_in)`
    l_m   weight of switching out of each state at gap m, `exp(switch_out)`

the weights of the states in the forward pass, `f`, and in the backward pass, `v`, are

    F_m = (f_m + q_m) * e_m,        f_m+1 = F_m / <l_m+1, F_m>,     f_0 = 0
    V_m = (v_m+1 + l_m+1) * e_m,    v_m   = V_m / <q_m, V_m>,       v_M = 0

Gap m is before marker m, and gap m + 1 behind it. In a gap, a haplotype stays in its state or switches halfway:

    w = f * v + (l * f + q * v) / 2

P(a1) of a site is the mean of the states' emission probabilities of allele 1, weighted by the w of the site's gap. So
the transition of this HMM stays in a state with weight 1, and goes from state k to state j with weight l_k q_j.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnimp.network.hmm.weights import LEAST_PROBABILITY, MIXTURE_WEIGHT, ODDS_STEP, TRANSITION_STEP, MixtureWeight

_FIRST_SWITCH_OUT = -4.0
_FORMER_NAMES = {"enter": "switch_in", "leave": "switch_out"}  # in checkpoints up to version 2.0


class HaplotypeHmm(nn.Module):
    """The haplotype HMM of one region: from allele probabilities at the markers to two logits per site.

    Attributes:
        emission: Log odds of allele 1 that each state emits, float32 (n_markers, n_states); not trained.
        site: The same at the imputed sites, float32 (n_sites, n_states); not trained.
        switch_in: Log of q at each gap, float32 (n_markers + 1, n_states); the last row is not read.
        switch_out: Log of l at each gap, float32 (n_markers + 1, n_states); the first row is not read.
        mixture_weight: Weight of this HMM in the final log odds; not a part of checkpoints.

    Args:
        emission: As above.
        site: As above.
        gaps: Markers before each site, int64 (n_sites,), from `gaps_of_sites`.
    """

    mixture_weight: MixtureWeight = MIXTURE_WEIGHT
    emission: Tensor
    site: Tensor
    gap: Tensor

    def __init__(self, emission: Tensor, site: Tensor, gaps: NDArray[np.int64]) -> None:
        super().__init__()
        n_markers, n_states = emission.shape
        self.register_buffer("emission", emission)
        self.register_buffer("site", site)
        self.switch_in = nn.Parameter(torch.full((n_markers + 1, n_states), -math.log(n_states)))
        self.switch_out = nn.Parameter(torch.full((n_markers + 1, n_states), _FIRST_SWITCH_OUT))
        self.register_buffer("gap", torch.as_tensor(gaps), persistent=False)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for former, name in _FORMER_NAMES.items():
            if prefix + former in state_dict:
                state_dict[prefix + name] = state_dict.pop(prefix + former)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of both alleles at every imputed site.

        Args:
            inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2). An allele that is not certain counts as
                missing: all states emit it equally well.

        Returns:
            float32 (n_sites, n_haplotypes, 2); their softmax is [P(a0), P(a1)].
        """
        emissions = allele_emissions(inputs[:, :, 1].T[:, :, None], torch.sigmoid(self.emission)[:, None])
        switch_in, switch_out = self.switch_in.exp(), self.switch_out.exp()
        left = forward_pass(emissions, switch_in, switch_out)
        right = forward_pass(emissions.flip(0), switch_out.flip(0), switch_in.flip(0)).flip(0)
        weights = left * right + 0.5 * (switch_out[:, None] * left + switch_in[:, None] * right)
        weights = weights / weights.sum(2, keepdim=True)
        site_probability = torch.sigmoid(self.site)
        alt = torch.bmm(weights[self.gap], site_probability[:, :, None])[:, :, 0]
        alt = alt.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return torch.stack([(1 - alt).log(), alt.log()], dim=2)


def is_certain(alt: Tensor) -> Tensor:
    """Whether an allele, given as P(a1), is known: bool, of the same shape."""
    return (alt == 0) | (alt == 1)


def allele_emissions(alt: Tensor, emission_probability: Tensor) -> Tensor:
    """Probability that each state emits a haplotype's allele.

    Args:
        alt: P(a1), float (n_markers, n_haplotypes, 1); values other than 0 and 1 are missing alleles.
        emission_probability: P(a1) that each state emits, float (n_markers, 1, n_states).

    Returns:
        float (n_markers, n_haplotypes, n_states); 1 for a missing allele.
    """
    agrees = alt * emission_probability + (1 - alt) * (1 - emission_probability)
    return torch.where(is_certain(alt), agrees, 1.0)


def forward_pass(emissions: Tensor, switch_in: Tensor, switch_out: Tensor) -> Tensor:
    """Weights of the states at every gap, f; the module's docstring gives the formula.

    For the backward pass, v, give the markers in reverse order, and l for q and q for l.

    Args:
        emissions: Emission probabilities, float (n_markers, n_haplotypes, n_states), from `allele_emissions`.
        switch_in: q, float (n_markers + 1, n_states).
        switch_out: l, float (n_markers + 1, n_states).

    Returns:
        float (n_markers + 1, n_haplotypes, n_states).
    """
    states = torch.zeros_like(emissions[0])
    by_gap = [states]
    for marker, here in enumerate(emissions):
        reached = (states + switch_in[marker]) * here
        states = reached / (reached @ switch_out[marker + 1])[:, None]
        by_gap.append(states)
    return torch.stack(by_gap)


@torch.no_grad()
def round_weights(network: HaplotypeHmm) -> None:
    """Round the weights, in place, to values that an exported graph can store (`hmm/weights.py`)."""
    for weight, step in (
        (network.emission, ODDS_STEP),
        (network.site, ODDS_STEP),
        (network.switch_in, TRANSITION_STEP),
        (network.switch_out, TRANSITION_STEP),
    ):
        weight.copy_((weight / step).round().clamp(-127, 127) * step)


def combined(logits: Tensor, hmm_logits: Tensor, inputs: Tensor, mixture: MixtureWeight = MIXTURE_WEIGHT) -> Tensor:
    """Final logits: a weighted mean of the recurrent networks' logits and the HMM's.

    The HMM's weight grows with the share of missing markers, because the HMM can skip them and a recurrent network
    cannot.

    Args:
        logits: Logits of the recurrent networks, float32 (n_sites, n_haplotypes, 2).
        hmm_logits: Logits of the HMM, float32 (n_sites, n_haplotypes, 2).
        inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2); values other than 0 and 1 are missing alleles.
        mixture: Numbers that the HMM's weight follows from.

    Returns:
        float32 (n_sites, n_haplotypes, 2).
    """
    alt = inputs[:, :, 1]
    weight = mixture_weight(1 - is_certain(alt).to(alt.dtype).mean(1), mixture)[:, None]
    return (1 - weight) * logits + weight * hmm_logits


def mixture_weight(missing: Tensor, weight: MixtureWeight = MIXTURE_WEIGHT) -> Tensor:
    """The HMM's weight in the final log odds.

    Args:
        missing: Share of missing markers, in [0, 1], float (n_haplotypes,).
        weight: Numbers that the weight follows from.

    Returns:
        float (n_haplotypes,), in [0, 1].
    """
    return (weight.complete + weight.per_missing * missing).clamp(max=1)
