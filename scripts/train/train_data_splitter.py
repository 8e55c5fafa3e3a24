"""Split a panel into regions: `rnnimp split` under the published program's name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from rnnimp.cli import main
from rnnimp.cli.published import PublishedScript

SCRIPT = PublishedScript(
    "scripts/train/train_data_splitter.py",
    "split",
    {"body_marker_count_limit": 100, "flanking_marker_count_limit": 50, "imp_site_count_limit": 100},
)

if __name__ == "__main__":
    sys.exit(main(["split", *sys.argv[1:]], SCRIPT))
