"""The bounds of a model's graph: operators, sizes and work. They are checked before any engine runs it.

Sizes and work are those of a batch of `HAPLOTYPES` haplotypes, which ONNX Runtime always gets. A region of the packaged
chromosome 22 model takes at most 6% of each bound. It has 300 markers, 1,000 sites, four stacks of four layers of 40
units, and an HMM.
"""

from __future__ import annotations

HAPLOTYPES = 32
"""A batch of haplotypes."""

LARGEST_MODEL_BYTES = 1 << 28
"""Of a model's file."""

MOST_NODES = 300_000
"""Of a graph. Those of the published program have 14 nodes per marker of each layer and 9 per site, so that 300 markers
and 5,000 sites take 110,000."""

MOST_TENSOR_ELEMENTS = 1 << 27
"""Of one tensor."""

MOST_ELEMENTS = 1 << 30
"""Of all tensors that a batch computes."""

MOST_WORK = 4 * 10**11
"""Multiplications that a batch may take."""

# fmt: off
OPERATORS = frozenset(
    (
        "Abs", "Add", "And", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "DequantizeLinear", "Div",
        "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "GRU", "Gather", "Gemm", "Greater", "GreaterOrEqual",
        "HardSigmoid", "Identity", "LSTM", "LeakyRelu", "Less", "LessOrEqual", "Log",
        "LogSoftmax", "MatMul", "Max", "Mean", "Min", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "RNN", "Reciprocal",
        "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape", "Scan", "Selu", "Shape", "Sigmoid",
        "Sign", "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh",
        "Transpose", "Unsqueeze", "Where", "Xor",
    )
)
# fmt: on
"""Of the default domain. `Scan` is allowed only with the two bodies that rnnimp itself writes."""

WITH_GAPS = frozenset(("Clip", "GRU", "LSTM", "RNN"))
"""Operators that may leave out an input before others; ONNX Runtime 1.32 crashes for some others that do."""

FUSED_OPERATORS = frozenset(("FusedGemm", "FusedMatMul"))
"""Of ONNX Runtime's own domain: its optimised files, `.ort`, contain them."""

RUNTIME_DOMAIN = "com.microsoft"

LONGEST_REASON = 300


def printable_line(text: str) -> str:
    """The beginning of a text, in one line without control characters: names in it may be a stranger's.

    >>> printable_line("two" + chr(10) + "lines")
    'two lines'
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:LONGEST_REASON]


class GraphError(Exception):
    """A graph that must not be run, in one printable line."""

    def __init__(self, reason: str) -> None:
        super().__init__(printable_line(reason))
