"""Mutators of command lines, which are held as one argument per line. Paths stay inside the working folder."""

from __future__ import annotations

from random import Random

from fuzz.mutate_text import NUMBERS, WORDS

_FORBIDDEN = ("--slurm", "--watch", "--sbatch", "--python3-bin")
_OPTIONS = [
    *("--samples", "--region", "--min-r2", "--output-format", "--format-fields", "--typed-only", "--empirical-r2"),
    *("--sites-only", "--flip", "--force", "--threads", "--device", "--chromosome", "--keep-first-duplicate", "--vcf"),
    *("--hap", "--legend", "--sample", "--bins", "--typed", "--frequencies", "--quiet", "--verbose", "--log-file=log"),
    *("--maf-threshold", "--imp-site-count-limit", "--body-marker-count-limit", "--flanking-marker-count-limit"),
    *("--exclude-samples", "--exclude-sites", "--contigs"),
    *("--draw-test-samples", "--test-samples", "--name", "--all-sites", "--calibration", "--output", "--no-such", "-"),
]
_VALUES = [
    *("22", "22:1000000-1005000", "22:5-1", "22:-", "22:0-0", "chr22:1-", "1:1-2", "GT", "GT,DS", "XX", "GT,GT"),
    *("vcf", "gen", "bcf", "vcf.gz", "drop", "keep", "cpu", "tpu", "0.3", "1.5", "-0.3", "out/o.vcf", "out/o.bcf"),
    *("out/o", "out/o.sav", "out/", ".", "..", "t.hap.gz", "t.legend.gz", "t.vcf", "no-such-file", "m", "-", "--"),
    *("", "1,2,3", "0,100", "5,1"),
]


def mutate_arguments(random: Random, data: bytes) -> bytes:
    """Change one to three arguments: a value, an option that goes, comes or comes twice, or the order."""
    arguments = data.decode().split("\n")
    for _ in range(random.choice([1, 1, 2, 3])):
        at = random.randrange(1, len(arguments)) if len(arguments) > 1 else 0
        action = random.randrange(6)
        if action == 0:
            del arguments[at : at + random.choice([1, 2])]
        elif action == 1:
            arguments[at : at + 1] = [_value(random)]
        elif action == 2:
            arguments[at:at] = [random.choice(_OPTIONS), _value(random)]
        elif action == 3:
            arguments.insert(at, random.choice(_OPTIONS))
        elif action == 4:
            arguments += arguments[at : at + 2]
        else:
            values = [row for row in range(1, len(arguments)) if not arguments[row].startswith("-")]
            if values:
                arguments[random.choice(values)] = _value(random)
        arguments = arguments or [""]
    arguments = [text.replace("\n", " ").replace("\x00", "") for text in arguments]
    return "\n".join(text for text in arguments if not text.startswith(_FORBIDDEN)).encode("utf-8", "surrogateescape")


def _value(random: Random) -> str:
    choice = random.random()
    if choice < 0.6:
        return random.choice(_VALUES)
    text = random.choice(NUMBERS if choice < 0.85 else WORDS)
    return "x" if text.startswith("/") or ".." in text else text
