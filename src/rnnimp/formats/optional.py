"""Libraries that not everybody needs: they come with an extra, and are imported where they are used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from rnnimp.errors import RnnimpError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import a library of an extra.

    Args:
        module: Name of the library in an import.
        extra: Extra of this package, which installs it.
        purpose: Purpose of the library, as in `BGEN files need`.

    Raises:
        RnnimpError: if it is not installed, with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise RnnimpError(
            f"{purpose} the package {module}, which this Python does not have; install it with "
            f"'{sys.executable} -m pip install rnnimp[{extra}]'"
        ) from error
