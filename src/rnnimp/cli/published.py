"""The scripts of the published program: the same commands under their old names, with their old defaults."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class PublishedScript:
    """A script that runs a command.

    Attributes:
        path: Path of the script in the repository.
        command: Command that it runs.
        defaults: Defaults of options, by their names in the parsed arguments, where they differ from the command's.
        usage: Usage of the script, if it differs from the command's.
    """

    path: str
    command: str
    defaults: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    usage: str | None = None

    def adapt(self, parser: argparse.ArgumentParser) -> None:
        """Give the command's parser the script's name and defaults, which its help then shows."""
        parser.prog = f"python3 {self.path}"
        parser.usage = self.usage or parser.usage
        parser.set_defaults(**self.defaults)
        parser.epilog = (parser.epilog or "").replace(f"rnnimp {self.command} ", f"{parser.prog} ")
