"""Make the example data of the README from the downloads in `org_data`: `python3 scripts/test_data_preparation.py`.

Run it from the repository's root. It is `rnnimp prepare` with the example's files. Options that you give are added.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from rnnimp.cli import main
from rnnimp.cli.published import PublishedScript

SCRIPT = PublishedScript("scripts/test_data_preparation.py", "prepare", usage="%(prog)s [options]")

DOWNLOADS = {
    "--vcf": "org_data/ALL.chr22.phase3_shapeit2_mvncall_integrated_v5b.20130502.genotypes.vcf.gz",
    "--manifest": "org_data/InfiniumOmni2-5-8v1-4_A1.csv",
    "--fasta": "org_data/hg19.fa",
}
SOURCES = {
    "--vcf": "https://ftp.1000genomes.ebi.ac.uk/vol1/ftp/release/20130502/",
    "--manifest": "https://support.illumina.com/array/array_kits/humanomni2_5-8_beadchip_kit/downloads.html (unzip it)",
    "--fasta": "https://hgdownload.soe.ucsc.edu/goldenPath/hg19/bigZips/ (gunzip it)",
}
OPTIONS = [
    *("--test-samples", "org_data/test_samples.txt", "--draw-test-samples", "100"),
    *("--output-dir", "example_data", "--name", "chr22", "--keep-first-duplicate"),
]


def run(arguments: list[str]) -> int:
    """Prepare the example; returns the exit code."""
    files = dict(DOWNLOADS)
    given = {argument.partition("=")[0] for argument in arguments}
    if given & {"--hap", "--legend"}:
        del files["--vcf"]
    if "--markers" in given:
        del files["--manifest"], files["--fasta"]
    if given & {"-h", "--help"}:
        preset = " ".join([*(word for pair in files.items() for word in pair), *OPTIONS])
        print(f"Runs 'rnnimp prepare' from the repository's root. You need not give these options:\n{preset}\n")
    else:
        for option, path in files.items():
            if option not in given and not Path(path).exists():
                print(
                    f"{path}: file not found; run from the repository's root, and download {Path(path).name} "
                    f"from {SOURCES[option]}",
                    file=sys.stderr,
                )
                return 1
    defaults = [word for pair in files.items() for word in pair]
    return main(["prepare", *defaults, *OPTIONS, *arguments], SCRIPT)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
