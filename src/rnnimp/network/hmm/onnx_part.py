"""The haplotype HMM as a part of a region's ONNX graph. Needs numpy and onnx.

    inputs (n_haplotypes, n_markers, 2)
    -> emission probabilities of the alleles
    -> forward pass, a loop over the markers from the left: f
    -> backward pass, a loop from the right: v, and at each gap w
    -> products with the emission probabilities of the gap's sites -> log odds
    -> weighted mean with the recurrent networks' log odds

`hmm/reference.py` gives the formulas. P(a0) and P(a1) are separate sums, because 1 - P(a1) would lose digits that
matter in log odds. Sites are taken in groups of one size, each within one gap, so that one batched product is enough.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from rnnimp.network.hmm.weights import ODDS_STEP, TRANSITION_STEP, HmmWeights, MixtureWeight
from rnnimp.network.onnx_writer import INPUT, GraphWriter

PREFIX = "copying_"
LOGITS = PREFIX + "logits"
"""Output of the last node: the sum of two products, weight times log odds; the first is the recurrent networks'."""
MIXTURE_WEIGHT_NAMES = "share", "share_of_missing"
WEIGHT_NAMES = {"emission": "emission", "switch_in": "enter", "switch_out": "leave", "site": "site"}
"""Names of the constants in a graph, for the fields of `HmmWeights`. They are part of the file format and stay."""

_SITES_AT_ONCE = 8
_FIRST_ROWS, _LAST_ROWS = (0, -1), (1, np.iinfo(np.int64).max)  # of the gaps, as a slice


def hmm_part(weights: HmmWeights, logits: str) -> GraphWriter:
    """Write the nodes and constants of an HMM; the same weights give the same ones.

    Args:
        weights: Weights of the HMM.
        logits: Name of the recurrent networks' log odds, float32 (n_sites, n_haplotypes, 1).
    """
    graph = GraphWriter(PREFIX)
    one = graph.constant("one", np.ones(1, np.float32))
    columns = graph.add("Transpose", [INPUT], perm=[1, 0, 2])
    alt = graph.add("Gather", [columns, graph.constant("alt", np.array([1]))], axis=2)  # (n_markers, n_haplotypes, 1)
    known = _known(graph, alt, one)
    odds = _odds(graph, weights, _weights_of_gaps(graph, weights, _allele(graph, alt, known, one), one), one)
    weight = _mixture_weight(graph, weights.mixture_weight, known, one)
    recurrent = graph.add("Mul", [graph.add("Sub", [one, weight]), logits])
    graph.add("Add", [recurrent, graph.add("Mul", [weight, odds])], output="logits")
    return graph


def _known(graph: GraphWriter, alt: str, one: str) -> str:
    """1 where an allele is known, else 0: float32 (n_markers, n_haplotypes, 1)."""
    zero = graph.constant("zero", np.zeros(1, np.float32))
    certain = graph.add("Or", [graph.add("Equal", [alt, zero]), graph.add("Equal", [alt, one])])
    return graph.add("Cast", [certain], to=TensorProto.FLOAT)


def _allele(graph: GraphWriter, alt: str, known: str, one: str) -> str:
    """0, 1, or 2 for missing, int64 (n_markers, n_haplotypes)."""
    missing = graph.add("Sub", [one, known])
    allele = graph.add("Add", [graph.add("Mul", [known, alt]), graph.add("Add", [missing, missing])])
    column = graph.add("Cast", [allele], to=TensorProto.INT64)
    return graph.add("Squeeze", [column, graph.constant("allele_axis", np.array([2]))])


def _both(graph: GraphWriter, log_odds: str, one: str) -> tuple[str, str]:
    """P(a0) and P(a1) to full precision; the sigmoid of a runtime loses digits where it is small."""
    odds = graph.add("Exp", [log_odds])
    ref = graph.add("Reciprocal", [graph.add("Add", [odds, one])])
    return ref, graph.add("Mul", [odds, ref])


def _emissions(graph: GraphWriter, weights: HmmWeights, one: str) -> str:
    """Emission probabilities of allele 0, of allele 1 and of a missing allele, (n_markers, 3, n_states)."""
    axis = graph.constant("emission_axis", np.array([1]))
    both = _both(graph, _scaled(graph, "emission", weights.emission, ODDS_STEP), one)
    ref, alt = (graph.add("Unsqueeze", [part, axis]) for part in both)
    return graph.add("Concat", [ref, alt, graph.add("Div", [ref, ref])], axis=1)  # 1 for a missing allele


def _mixture_weight(graph: GraphWriter, weight: MixtureWeight, known: str, one: str) -> str:
    """The HMM's weight in the final log odds, (n_haplotypes, 1)."""
    missing = graph.add("Sub", [one, graph.add("ReduceMean", [known], axes=[0], keepdims=0)])
    least, more = (
        graph.constant(name, np.array([value], np.float32))
        for name, value in zip(MIXTURE_WEIGHT_NAMES, weight, strict=True)
    )
    return graph.add("Min", [one, graph.add("Add", [least, graph.add("Mul", [more, missing])])])


def _weights_of_gaps(graph: GraphWriter, weights: HmmWeights, allele: str, one: str) -> str:
    """w of all gaps, (n_markers + 1, n_haplotypes, n_states), from the last gap to the first."""
    half = graph.constant("half", np.array([0.5], np.float32))
    switch_in, switch_out = (
        graph.add("Exp", [_scaled(graph, name, levels, TRANSITION_STEP)])
        for name, levels in (
            (WEIGHT_NAMES["switch_in"], weights.switch_in),
            (WEIGHT_NAMES["switch_out"], weights.switch_out),
        )
    )
    half_switch_in, half_switch_out = (graph.add("Mul", [transition, half]) for transition in (switch_in, switch_out))
    first_switch_in = _rows(graph, switch_in, _FIRST_ROWS)  # of the gap before each marker
    start = _nothing(graph, weights.emission.shape[1])
    markers = [_emissions(graph, weights, one), allele]
    left = [first_switch_in, _column(graph, _rows(graph, switch_out, _LAST_ROWS)), *markers]
    _, before = graph.scan(_body(with_gap=False), [start], left)
    right = [_rows(graph, switch_out, _LAST_ROWS), _column(graph, first_switch_in), *markers]
    gaps = [before, *(_rows(graph, transition, _LAST_ROWS) for transition in (half_switch_out, half_switch_in))]
    last, gap_weights = graph.scan(_body(with_gap=True), [start], [_turned(graph, part) for part in (*right, *gaps)])
    first_gap = graph.add("Mul", [last, _rows(graph, half_switch_in, (0, 1))])  # (n_haplotypes, n_states)
    axis = graph.constant("gap_axis", np.array([0]))
    return graph.add("Concat", [gap_weights, graph.add("Unsqueeze", [first_gap, axis])], axis=0)


def _body(with_gap: bool) -> onnx.GraphProto:
    """One step of a pass, over one marker: from the weights before it to the weights behind it.

    The second output is stored for each step: the weights behind the marker, or, in the backward pass, the w of the gap
    that the step starts from.
    """
    body = GraphWriter(f"{PREFIX}marker_")  # a name inside a loop must not be one outside
    emission = body.add("Gather", ["emissions", "allele"], axis=0)  # (n_haplotypes, n_states)
    reached = body.add("Mul", [body.add("Add", ["before", "enter"]), emission])
    behind = body.add("Div", [reached, body.add("MatMul", [reached, "leave"])])
    if with_gap:
        kept = body.add("Mul", ["left", body.add("Add", ["before", "half_leave"])])
        kept = body.add("Add", [kept, body.add("Mul", ["before", "half_enter"])])
    else:
        kept = body.add("Identity", [behind])
    gap_inputs = ["left", "half_leave", "half_enter"] if with_gap else []
    inputs = ["before", "enter", "leave", "emissions", "allele", *gap_inputs]
    return body.body("over a marker", inputs, [behind, kept], whole="allele")


def _odds(graph: GraphWriter, weights: HmmWeights, gap_weights: str, one: str) -> str:
    """Log odds of a1, (n_sites, n_haplotypes, 1)."""
    gaps, sites, places = _groups(weights.gaps)
    group_weights = graph.add("Gather", [gap_weights, graph.constant("gaps", len(weights.emission) - gaps)], axis=0)
    odds = _scaled(graph, "site", weights.site, ODDS_STEP)
    rows = graph.constant("sites", sites)
    sums = []
    for probabilities in _both(graph, odds, one):
        site_columns = graph.add("Transpose", [graph.add("Gather", [probabilities, rows], axis=0)], perm=[0, 2, 1])
        sums.append(graph.add("MatMul", [group_weights, site_columns]))  # (n_groups, n_haplotypes, sites of a group)
    by_group = graph.add("Transpose", [graph.add("Log", [graph.add("Div", sums[::-1])])], perm=[0, 2, 1])
    flat = graph.add("Reshape", [by_group, graph.constant("flat", np.array([sites.size, -1, 1]))])
    return graph.add("Gather", [flat, graph.constant("places", places)], axis=0)


def _groups(gaps: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sites in groups of `_SITES_AT_ONCE`, each within one gap.

    Returns:
        The gap of each group, (n_groups,); its sites, (n_groups, _SITES_AT_ONCE), filled up with the last one; and the
        place of each site among them, (n_sites,).
    """
    rank = np.arange(len(gaps)) - np.searchsorted(gaps, gaps)  # within the gap
    begins = np.flatnonzero(rank % _SITES_AT_ONCE == 0)
    group = np.cumsum(rank % _SITES_AT_ONCE == 0) - 1
    ends = np.append(begins[1:], len(gaps))
    sites = np.minimum(begins[:, None] + np.arange(_SITES_AT_ONCE), ends[:, None] - 1)
    return gaps[begins], sites, group * _SITES_AT_ONCE + rank % _SITES_AT_ONCE


def _scaled(graph: GraphWriter, name: str, levels: NDArray[np.int8], step: float) -> str:
    scale = graph.constant(f"{name}_step", np.array(step, np.float32))
    return graph.add("DequantizeLinear", [graph.constant(name, levels), scale])


def _nothing(graph: GraphWriter, n_states: int) -> str:
    """Zeros of shape (n_haplotypes, n_states)."""
    width = graph.constant("n_states", np.array([n_states]))
    return graph.add("ConstantOfShape", [graph.add("Concat", [graph.add("Shape", [INPUT], end=1), width], axis=0)])


def _rows(graph: GraphWriter, rows: str, bounds: tuple[int, int]) -> str:
    first, last = (graph.constant(f"row_{bound}", np.array([bound])) for bound in bounds)
    return graph.add("Slice", [rows, first, last])


def _turned(graph: GraphWriter, rows: str) -> str:
    """The rows in reverse order."""
    ends = np.array([-1]), np.array([np.iinfo(np.int64).min]), np.array([0]), np.array([-1])
    names = ("turn_from", "turn_to", "turn_axis", "turn_step")
    return graph.add("Slice", [rows, *(graph.constant(name, end) for name, end in zip(names, ends, strict=True))])


def _column(graph: GraphWriter, rows: str) -> str:
    return graph.add("Unsqueeze", [rows, graph.constant("column_axis", np.array([2]))])


def scan_bodies() -> tuple[onnx.GraphProto, onnx.GraphProto]:
    """The bodies of the two loops over markers: from the left, and from the right with the gaps."""
    return _body(with_gap=False), _body(with_gap=True)
