"""Inspect: find out what a path names, and describe it. Nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

from rnnimp.errors import DataError
from rnnimp.formats.files import open_input, require_regular
from rnnimp.formats.kinds import LONGEST_MAGIC, UNKNOWN_KIND, kind_of, refuse_other_format
from rnnimp.pipeline.inspect.binary import inspect_bgen, inspect_pgen
from rnnimp.pipeline.inspect.findings import Inspection
from rnnimp.pipeline.inspect.model import inspect_model, model_of
from rnnimp.pipeline.inspect.results import inspect_json
from rnnimp.pipeline.inspect.tables import inspect_table
from rnnimp.pipeline.inspect.vcf import inspect_vcf

_BGEN_MAGIC = slice(16, 20)
_BY_KIND = {"a VCF": "VCF", "a BCF": "BCF"}


def inspect(path: str | Path) -> Inspection:
    """Say what a file or a model is.

    Args:
        path: A file, the prefix of a model, or the prefix of a PGEN.

    Raises:
        DataError: if there is no such file, its kind is not known, or it is damaged.
    """
    model = model_of(path)
    if model is not None:
        return inspect_model(path, *model)
    if not os.path.lexists(path):
        if Path(f"{path}.pgen").is_file():
            return inspect_pgen(path)
        raise DataError("expected a file, or the prefix of a model, found neither; check the path", path)
    require_regular(path)
    with open_input(path) as file:
        start = file.read(max(LONGEST_MAGIC, _BGEN_MAGIC.stop))
    return _of_content(path, start)


def _of_content(path: str | Path, start: bytes) -> Inspection:
    kind = kind_of(start)
    if kind in _BY_KIND:
        return inspect_vcf(path, _BY_KIND[kind])
    if kind == "a PGEN":
        return inspect_pgen(path)
    if start[_BGEN_MAGIC] == b"bgen":
        return inspect_bgen(path)
    refuse_other_format(start, path)
    if start.lstrip().startswith(b"{"):
        return inspect_json(path)
    if kind in ("an empty file", "a PLINK 1 BED", UNKNOWN_KIND) and not _may_be_text(start):
        found = "a binary file" if kind == UNKNOWN_KIND else kind
        raise DataError(f"its kind is not known: {found}, which rnnimp does not read", path)
    return inspect_table(path)


def _may_be_text(start: bytes) -> bool:
    """Whether bytes may be text in UTF-8, which kinds in ASCII only are taken for otherwise."""
    return bool(start) and not any(byte < 9 for byte in start)
