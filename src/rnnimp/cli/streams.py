"""The standard streams of the process: some schedulers start programs without them.

A file that is opened while one of the descriptors 0 to 2 is closed would get its number, and whatever is printed
would go into that file.
"""

from __future__ import annotations

import io
import os
import sys


def open_standard_streams() -> None:
    """Connect standard streams that are closed with the null device: reads are empty, what is printed is dropped.

    Characters that standard output cannot encode are escaped.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            _connect(descriptor)
        if getattr(sys, name) is None:
            stream = io.FileIO(descriptor, mode, closefd=False)
            buffer = io.BufferedReader(stream) if mode == "r" else io.BufferedWriter(stream)
            setattr(sys, name, io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace"))
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal's encoding lacks is no reason to stop
        sys.stdout.reconfigure(errors="backslashreplace")


def _connect(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
