"""Train the networks of all regions: `rnnimp train` under the published program's name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from rnnimp.cli import main
from rnnimp.cli.published import PublishedScript

SCRIPT = PublishedScript("scripts/train/train.py", "train", {"recipe": "published", "exact_frequencies": True})

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]], SCRIPT))
