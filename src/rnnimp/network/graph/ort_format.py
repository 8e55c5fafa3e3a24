"""Reads ONNX Runtime's own file format, `.ort`, into an ONNX model, so that both formats obey the same rules.

Such a file is a FlatBuffer: tables whose fields are found by offsets, all of which a stranger may have chosen. So each
offset is checked before it is followed, no string is read without a limit, and what is read stays below a multiple of
the file's size. Strings that the program has no use for are checked too, such as the versions at the file's end. So a
truncated file is noticed wherever it ends. ONNX Runtime is then given the model that was read, never the file.

The numbers of fields are those of ONNX Runtime's `ort.fbs`, which are fixed: new fields get new numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import onnx
from onnx import AttributeProto, TensorProto

from rnnimp.network.graph.limits import MOST_NODES, GraphError

_IDENTIFIER = b"ORTM"
_LONGEST_STRING = 4096
_DEEPEST_GRAPH = 1  # the body of a Scan
_INT32, _UINT32, _INT64, _FLOAT = (struct.Struct(f"<{kind}") for kind in "iIqf")
_UINT16 = struct.Struct("<H")
_UNUSED_OF_SESSION = (0,)  # the version of the format
_UNUSED_OF_MODEL = (2, 3, 4, 6, 8)  # names and versions of programs, descriptions
_BEYOND = "its tables are damaged: they lead beyond the end of the file, which may be truncated"

Value = TypeVar("Value")


def is_ort(content: bytes) -> bool:
    """Whether a file is in ONNX Runtime's own format, by its identifier."""
    return content[4:8] == _IDENTIFIER


def read_ort(content: bytes) -> onnx.ModelProto:
    """Read an `.ort` file.

    Raises:
        GraphError: if it is damaged, or contains what no model of a region needs.
    """
    try:
        return _Reader(content).model()
    except (struct.error, IndexError, ValueError, TypeError, OverflowError) as error:
        raise GraphError(f"its tables are damaged: {error}") from error


class _Table:
    """The fields of one table."""

    __slots__ = ("_content", "_fields", "_fields_end", "_position")

    def __init__(self, content: bytes, position: int) -> None:
        self._content, self._position = content, position
        self._fields = position - _at(_INT32, content, position)
        self._fields_end = self._fields + _at(_UINT16, content, self._fields)

    def find(self, number: int) -> int:
        """Where a field's value stands; 0 if the table does not have it."""
        entry = self._fields + 4 + 2 * number
        if entry + 2 > self._fields_end:
            return 0
        offset = _at(_UINT16, self._content, entry)
        return self._position + offset if offset else 0

    def number(self, field: int, kind: struct.Struct, default: Any = 0) -> Any:
        """A number."""
        position = self.find(field)
        return _at(kind, self._content, position) if position else default


def _at(kind: struct.Struct, content: bytes, position: int) -> Any:
    if position < 0:  # which would count from the end
        raise GraphError("its tables are damaged: an offset leads before the file")
    if position + kind.size > len(content):
        raise GraphError(_BEYOND)
    return kind.unpack_from(content, position)[0]


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._strings: dict[int, str] = {}
        self._bytes_left = 16 * len(content) + (1 << 20)  # honest files share strings, each of them once in the file

    def model(self) -> onnx.ModelProto:
        """The model without what does not change its results: descriptions, and the kernels once chosen for it."""
        if len(self._content) % 4:
            raise GraphError(f"it is truncated: {len(self._content)} bytes are no multiple of 4")
        session = _Table(self._content, _at(_UINT32, self._content, 0))
        source = self._table(session, 1)
        if source is None:
            raise GraphError("it contains no model")
        for table, numbers in ((session, _UNUSED_OF_SESSION), (source, _UNUSED_OF_MODEL)):
            for number in numbers:
                self._pass_string(table, number)
        model = onnx.ModelProto(ir_version=source.number(0, _INT64), producer_name="rnnimp")
        for entry in self._tables(source, 1):
            model.opset_import.add(domain=self._string(entry, 0), version=entry.number(1, _INT64))
        graph = self._table(source, 7)
        if graph is None:
            raise GraphError("it contains no graph")
        self._graph(graph, model.graph, depth=0)
        return model

    def _graph(self, source: _Table, graph: onnx.GraphProto, depth: int) -> None:
        if depth > _DEEPEST_GRAPH:
            raise GraphError("graphs within graphs within graphs")
        for number, what in ((7, "sparse weights"), (8, "optimisations for later")):
            if source.find(number) and self._has_content(source, number):
                raise GraphError(f"it contains {what}, which no model of a region needs")
        graph.name = "region"
        self._constants(source, graph)
        self._ends(source, graph)
        for node in self._tables(source, 2, MOST_NODES):
            self._node(node, graph.node.add(), depth)

    def _has_content(self, source: _Table, number: int) -> bool:
        """Whether a vector, or a table with a vector as its first field, has any element."""
        if number == 7:
            return self._vector(source, number)[1] > 0
        inner = self._table(source, number)
        return inner is not None and self._vector(inner, 0)[1] > 0

    def _constants(self, source: _Table, graph: onnx.GraphProto) -> None:
        for tensor in self._tables(source, 0):
            self._tensor(tensor, graph.initializer.add())

    def _ends(self, source: _Table, graph: onnx.GraphProto) -> None:
        """Inputs and outputs, with the types that the list of all tensors gives them."""
        names = {number: self._names(source, number) for number in (5, 6)}
        wanted = {name for part in names.values() for name in part}
        infos = {}
        for entry in self._tables(source, 1):
            name = self._string(entry, 0)
            if name in wanted:
                infos[name] = self._value_info(entry, name)
        for number, ends in ((5, graph.input), (6, graph.output)):
            ends.extend(infos.get(name) or onnx.ValueInfoProto(name=name) for name in names[number])

    def _value_info(self, source: _Table, name: str) -> onnx.ValueInfoProto:
        info = onnx.ValueInfoProto(name=name)
        kind = self._table(source, 2)
        tensor = self._table(kind, 2) if kind is not None and kind.number(1, struct.Struct("<B")) == 1 else None
        if tensor is None:
            return info
        info.type.tensor_type.elem_type = tensor.number(0, _INT32)
        shape = self._table(tensor, 1)
        for dimension in self._tables(shape, 0, 8) if shape is not None else ():
            value = self._table(dimension, 0)
            size = info.type.tensor_type.shape.dim.add()
            if value is not None and value.number(0, struct.Struct("<b")) == 1:
                size.dim_value = value.number(1, _INT64)
        return info

    def _node(self, source: _Table, node: onnx.NodeProto, depth: int) -> None:
        if source.number(6, _INT32):
            raise GraphError("it contains a node that only one machine can run")
        node.op_type, node.domain = self._string(source, 5), self._string(source, 2)
        node.input.extend(self._names(source, 8))
        node.output.extend(self._names(source, 9))
        for attribute in self._tables(source, 10, 64):
            self._attribute(attribute, node.attribute.add(), depth)

    def _attribute(self, source: _Table, attribute: AttributeProto, depth: int) -> None:
        kind = source.number(2, _INT32)
        attribute.name, attribute.type = self._string(source, 0), kind
        if kind == AttributeProto.FLOAT:
            attribute.f = source.number(3, _FLOAT)
        elif kind == AttributeProto.INT:
            attribute.i = source.number(4, _INT64)
        elif kind == AttributeProto.STRING:
            attribute.s = self._string(source, 5).encode()
        elif kind == AttributeProto.FLOATS:
            attribute.floats.extend(self._numbers(source, 8, "f", 4))
        elif kind == AttributeProto.INTS:
            attribute.ints.extend(self._numbers(source, 9, "q", 8))
        elif kind == AttributeProto.STRINGS:
            attribute.strings.extend(name.encode() for name in self._names(source, 10))
        elif kind == AttributeProto.TENSOR:
            self._tensor(self._required(source, 6), attribute.t)
        elif kind == AttributeProto.GRAPH:
            self._graph(self._required(source, 7), attribute.g, depth + 1)
        else:
            raise GraphError(f"an attribute of kind {kind}, which no model of a region needs")

    def _tensor(self, source: _Table, tensor: TensorProto) -> None:
        if source.number(6, _INT64, -1) != -1 or self._vector(source, 5)[1]:
            raise GraphError("weights in another file, or weights that are text")
        tensor.name, tensor.data_type = self._string(source, 0), source.number(3, _INT32)
        tensor.dims.extend(self._numbers(source, 2, "q", 8))
        start, size = self._vector(source, 4)
        self._take(start, size)
        tensor.raw_data = self._content[start : start + size]

    def _required(self, source: _Table, number: int) -> _Table:
        table = self._table(source, number)
        if table is None:
            raise GraphError("an attribute without its value")
        return table

    def _table(self, source: _Table, number: int) -> _Table | None:
        position = source.find(number)
        return self._table_at(position) if position else None

    def _table_at(self, position: int) -> _Table:
        return _Table(self._content, position + _at(_UINT32, self._content, position))

    def _tables(self, source: _Table, number: int, most: int | None = None) -> Iterator[_Table]:
        start, size = self._vector(source, number)
        if most is not None and size > most:
            raise GraphError(f"{size} tables of a kind, more than {most}")
        return self._each(start, size, self._table_at)

    def _names(self, source: _Table, number: int) -> list[str]:
        start, size = self._vector(source, number)
        return list(self._each(start, size, self._string_at))

    def _each(self, start: int, size: int, read: Callable[[int], Value]) -> Iterator[Value]:
        self._take(start, 4 * size)
        return map(read, range(start, start + 4 * size, 4))

    def _numbers(self, source: _Table, number: int, kind: str, width: int) -> tuple[Any, ...]:
        start, size = self._vector(source, number)
        self._take(start, width * size)
        return struct.unpack_from(f"<{size}{kind}", self._content, start)

    def _vector(self, source: _Table, number: int) -> tuple[int, int]:
        """Where a vector's elements begin, and how many there are."""
        position = source.find(number)
        if not position:
            return 0, 0
        start = position + _at(_UINT32, self._content, position)
        return start + 4, _at(_UINT32, self._content, start)

    def _string(self, source: _Table, number: int) -> str:
        position = source.find(number)
        return self._string_at(position) if position else ""

    def _string_at(self, position: int) -> str:
        start = position + _at(_UINT32, self._content, position)
        found = self._strings.get(start)
        if found is None:
            size = _at(_UINT32, self._content, start)
            if size > _LONGEST_STRING:
                raise GraphError(f"a name of {size} bytes, more than {_LONGEST_STRING}")
            self._take(start + 4, size)
            found = self._strings[start] = self._content[start + 4 : start + 4 + size].decode()
        return found

    def _pass_string(self, source: _Table, number: int) -> None:
        """Check that a string is there as a whole, with the zero byte behind it."""
        start, size = self._vector(source, number)
        if start and self._content[start + size : start + size + 1] != b"\0":
            raise GraphError(_BEYOND)

    def _take(self, start: int, size: int) -> None:
        """Refuse what lies outside the file, and what is read more often than any honest file needs."""
        self._bytes_left -= size
        if start + size > len(self._content) or self._bytes_left < 0:
            raise GraphError(_BEYOND)
