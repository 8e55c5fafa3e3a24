"""Too little memory: recognised in what libraries raise, and refused beforehand where they would abort."""

from __future__ import annotations

import re

from rnnimp.errors import RnnimpError

NO_MEMORY = "not enough memory; free some, or raise the limit of the job or of 'ulimit -v'"
TRAINING_BYTES = 1_200_000_000
"""Address space with which a small training was seen to run; PyTorch aborts the process with half of it."""

_SIGNS = re.compile(
    "cannot allocate memory|failed to map segment|not enough memory|find/load shared object"
    "|without exception set|without setting an exception",  # SystemError: there was no memory for an exception
    re.I,
)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that memory ended: libraries raise many kinds when they are loaded."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return any(isinstance(found, MemoryError) or bool(_SIGNS.search(str(found))) for found in causes)


def require_address_space(needed: int, purpose: str) -> None:
    """Refuse to start under a limit of the address space that is too low.

    Args:
        needed: Bytes.
        purpose: Purpose of the memory for the message, such as `training`.

    Raises:
        RnnimpError: naming what is needed.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise RnnimpError(
            f"{purpose} needs an address space of {needed / 1e9:.1f} GB or more, found a limit of {limit / 1e9:.1f} GB"
            "; raise the limit of the job or of 'ulimit -v'"
        )
