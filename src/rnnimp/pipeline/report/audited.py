"""The result of an audit from its JSON file, as the values that its page is made of."""

from __future__ import annotations

import dataclasses
import math
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from rnnimp.errors import DataError
from rnnimp.formats.json_files import read_json
from rnnimp.formats.schema import excerpt
from rnnimp.pipeline.audit.page import attack_parts, score_parts
from rnnimp.pipeline.audit.results import FORMAT, FORMAT_VERSION, AuditResults
from rnnimp.wording import shortened

_DERIVED = "attack_results"  # the same figures again, for another program
_REMEDY = "give PREFIX.json of 'rnnimp audit', or audit the model again"


def read_audit(path: str | Path) -> AuditResults:
    """Read the JSON file of an audit.

    Raises:
        DataError: if it is another file, damaged, or of a version that this program does not know.
    """
    content = read_json(path, _REMEDY, allow_nan=False)
    if content.get("format") != FORMAT:
        raise DataError(f"expected the JSON file of an audit, found another; {_REMEDY}", path)
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(f"expected format version {FORMAT_VERSION}, found another; update rnnimp", path)
    content.pop(_DERIVED, None)
    try:
        results = plain_to(AuditResults, content)
        _ = attack_parts(results), score_parts(results)  # which need fields that fit each other
    except (LookupError, TypeError, ValueError, ArithmeticError, AssertionError, AttributeError) as error:
        raise DataError(
            f"expected the fields of an audit, found others ({shortened(str(error))}); {_REMEDY}", path
        ) from error
    assert isinstance(results, AuditResults)
    return results


def _key(kind: Any, text: str) -> Any:
    return float(text) if kind is float else text


def plain_to(kind: Any, value: Any) -> Any:
    """Rebuild a value of a type from what JSON has of it; the opposite of `dataclasses.asdict`.

    Args:
        kind: A dataclass, or a type that one's fields have: tuples, dictionaries, optional and plain ones.
        value: Plain values. None stands for NaN where a number is due.

    Raises:
        TypeError: if a field is missing or unknown, or a value has another form.
        ValueError: the same for tuples.

    >>> plain_to(dict[float, tuple[int, ...]], {"0.5": [1, 2]})
    {0.5: (1, 2)}
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: plain_to(hints.get(name, Any), item) for name, item in value.items()})
    if origin in (Union, types.UnionType):
        return None if value is None else plain_to(next(part for part in arguments if part is not type(None)), value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(plain_to(part, item) for part, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {_key(arguments[0], key): plain_to(arguments[1], item) for key, item in value.items()}
    if kind is float:
        return math.nan if value is None else float(value)
    if kind in (str, int, bool) and type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {excerpt(value)}")
    return value
