"""Runs a region's folded networks with our CPU kernels. Needs numpy and Numba."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import numpy as np

from rnnimp.errors import SettingsError
from rnnimp.network.graph.reading import FoldedNetwork
from rnnimp.network.hmm.cpu_inference import hmm_odds, pack_hmm
from rnnimp.network.hmm.weights import MIXTURE_WEIGHT
from rnnimp.network.kernels.integers import can_multiply_pairs, has_pair_products
from rnnimp.network.recurrent.cpu import integer_stacks, stacks
from rnnimp.network.recurrent.cpu.heads import logits_of_states
from rnnimp.network.recurrent.cpu.mixing import join, pack_joining
from rnnimp.network.region_coding import Floats

PRODUCTS_VARIABLE = "RNNIMP_CPU_PRODUCTS"
"""Environment variable that chooses the products of the recurrent layers: one of `PRODUCTS`."""

PRODUCTS = ("auto", "float32", "int16")
"""`auto` is `int16` where the processor has AVX-512 VNNI, else `float32`. LSTM layers always have float32 products."""


class KernelEngine:
    """A region's networks, laid out for the kernels.

    Several threads may call it at once. The result of a haplotype does not depend on the other haplotypes of a call.

    Args:
        network: From `read_folded_network`.
        products: One of `PRODUCTS`; None takes the environment variable, or `auto`.

    Raises:
        SettingsError: for another name, or for `int16` where the processor has no AVX2.
    """

    haplotypes_per_run = 64  # whole tiles on every processor; 12 MB of states for a region of the published shape

    def __init__(self, network: FoldedNetwork, products: str | None = None) -> None:
        self.products = _chosen_products(network, products or os.environ.get(PRODUCTS_VARIABLE, "auto"))
        self._forward = _packed(network, self.products)
        self._gaps, first_sites = np.unique(network.gaps, return_index=True)
        self._first_rows = np.append(first_sites, len(network.gaps))
        self._head, self._bias = network.head, network.bias
        n_units = sum(stack.weights.layers[0].recurrent.shape[1] for stack in network.stacks)
        self._joining, self._n_mixed = pack_joining(network.joining, n_units), network.head.shape[1] - n_units
        self._hmm = None if network.hmm is None else pack_hmm(network.hmm)
        self._mixture_weight = MIXTURE_WEIGHT if network.hmm is None else network.hmm.mixture_weight
        self.n_markers, self.n_sites = len(network.stacks[0].features), len(network.gaps)

    def __call__(self, inputs: Floats) -> Floats:
        """Run all networks of the region.

        Args:
            inputs: [P(a0), P(a1)], float32 (n_haplotypes, n_markers, 2); the two add up to 1.

        Returns:
            float32 (n_sites, n_haplotypes), P(a1).
        """
        alleles = np.ascontiguousarray(inputs[:, :, 1])
        states = self._forward(alleles, self._gaps, room=self._n_mixed)
        join(states, self._joining)
        logits = logits_of_states(self._head, self._bias, self._first_rows, states)[:, : len(alleles)]
        if self._hmm is not None:
            certain = np.count_nonzero((alleles == 0) | (alleles == 1), axis=1)
            weight = self._mixture_weight.at((1 - certain / self.n_markers).astype(np.float32))
            logits = (1 - weight) * logits + weight * hmm_odds(self._hmm, alleles)[:, : len(alleles)]
        with np.errstate(over="ignore"):  # exp of a large number is infinite, and 1 / infinite is 0
            alt: Floats = np.reciprocal(1 + np.exp(-logits))
        return alt


def _chosen_products(network: FoldedNetwork, products: str) -> str:
    """The products that are used."""
    if products not in PRODUCTS:
        raise SettingsError(f"{PRODUCTS_VARIABLE} must be one of {', '.join(PRODUCTS)}, found {products}")
    if products == "int16" and not can_multiply_pairs():
        raise SettingsError(f"{PRODUCTS_VARIABLE}=int16 needs a processor with AVX2; choose auto or float32")
    is_chosen = has_pair_products() if products == "auto" else products == "int16"
    is_used = is_chosen and all(integer_stacks.is_supported(stack.weights) for stack in network.stacks)
    return "int16" if is_used else "float32"


def _packed(network: FoldedNetwork, products: str) -> Callable[..., Floats]:
    """The forward pass, with all stacks packed for it."""
    if products == "int16":
        return partial(
            integer_stacks.forward, [integer_stacks.pack(stack.weights, stack.features) for stack in network.stacks]
        )
    return partial(stacks.forward, [stacks.pack(stack.weights, stack.features) for stack in network.stacks])
