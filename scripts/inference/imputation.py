"""Impute haplotypes: `rnnimp impute` under the published program's name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from rnnimp.choices import PUBLISHED_FORMAT
from rnnimp.cli import main
from rnnimp.cli.published import PublishedScript

SCRIPT = PublishedScript("scripts/inference/imputation.py", "impute", {"default_format": PUBLISHED_FORMAT})

if __name__ == "__main__":
    sys.exit(main(["impute", *sys.argv[1:]], SCRIPT))
