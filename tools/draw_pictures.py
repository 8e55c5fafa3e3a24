"""Draw the accuracy picture of the README and the documentation: `python tools/draw_pictures.py`.

Reads `docs/pictures/accuracy.tsv`, which names the source of each number, and writes `docs/pictures/accuracy.svg`.
SVG is written as text, so that equal numbers give equal bytes on every machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
COLOURS = {"rnnimp, default": "#0072B2", "rnnimp, open": "#CC79A7", "Beagle 5.4": "#D55E00", "Minimac4": "#009E73"}
LINES = {
    "rnnimp, default": "",
    "rnnimp, open": ' stroke-dasharray="12 3"',
    "Beagle 5.4": ' stroke-dasharray="7 4"',
    "Minimac4": ' stroke-dasharray="2 4"',
}

Series = dict[str, list[float]]  # r2 by bin, of each program

WIDTH, HEIGHT = 860, 358
PANEL_WIDTH, PANEL_HEIGHT = 350, 240
LEFT, TOP, GAP = 64, 62, 60
LOWEST, HIGHEST, STEP = 0.82, 0.98, 0.04


def read_series(path: Path) -> tuple[list[str], dict[str, Series]]:
    """Read the table: the bins, and the series of each panel."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    bins = lines[0].split("\t")[2:]
    panels: dict[str, Series] = {}
    for line in lines[1:]:
        panel, program, *values = line.split("\t")
        panels.setdefault(panel, {})[program] = [float(value) for value in values]
    return bins, panels


def accuracy_svg(bins: list[str], panels: dict[str, Series]) -> str:
    """The picture: one plot per panel, one line per program."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="14" role="img">',
        "<title>Accuracy by minor allele frequency: rnnimp with two recipes, Beagle 5.4 and Minimac4</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
    ]
    for number, (panel, series) in enumerate(panels.items()):
        parts += _plot(LEFT + number * (PANEL_WIDTH + GAP), panel, bins, series)
    parts += _legend(list(next(iter(panels.values()))))
    return "\n".join([*parts, "</svg>", ""])


def _height(r2: float) -> float:
    return TOP + PANEL_HEIGHT * (HIGHEST - r2) / (HIGHEST - LOWEST)


def _plot(left: float, title: str, bins: list[str], series: Series) -> list[str]:
    places = [left + PANEL_WIDTH * (number + 0.5) / len(bins) for number in range(len(bins))]
    parts = [_text(left + PANEL_WIDTH / 2, TOP - 10, title, 'text-anchor="middle" font-weight="bold"')]
    for number in range(round((HIGHEST - LOWEST) / STEP) + 1):
        r2 = LOWEST + number * STEP
        y = _height(r2)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + PANEL_WIDTH}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(_text(left - 8, y + 5, f"{r2:.2f}", 'text-anchor="end"'))
    for place, label in zip(places, bins, strict=True):
        parts.append(_text(place, TOP + PANEL_HEIGHT + 20, f"{label}%", 'text-anchor="middle"'))
    parts.append(
        _text(left + PANEL_WIDTH / 2, TOP + PANEL_HEIGHT + 42, "minor allele frequency", 'text-anchor="middle"')
    )
    for program in reversed(series):  # the first one lies on top
        parts += _line(places, series[program], program)
    return parts


def _line(places: list[float], values: list[float], program: str) -> list[str]:
    points = [(place, _height(value)) for place, value in zip(places, values, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    colour = COLOURS[program]
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{LINES[program]}/>'
    return [line, *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points)]


def _legend(programs: list[str]) -> list[str]:
    parts = [_text(LEFT - 44, 22, "mean r2 of imputed sites", 'font-style="italic"')]
    for number, program in enumerate(programs):
        x = LEFT + 180 + 160 * number
        style = f'stroke="{COLOURS[program]}" stroke-width="2.5"{LINES[program]}'
        parts.append(f'<line x1="{x}" y1="17" x2="{x + 36}" y2="17" {style}/>')
        parts.append(_text(x + 44, 22, program))
    return parts


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#222222" {style}>{text}</text>'


def main(arguments: list[str]) -> int:
    """Draw, or with `--check` compare with the file that is there."""
    parser = argparse.ArgumentParser(description="Draw docs/pictures/accuracy.svg from docs/pictures/accuracy.tsv.")
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 if the picture is out of date")
    options = parser.parse_args(arguments)
    picture = PICTURES / "accuracy.svg"
    drawn = accuracy_svg(*read_series(PICTURES / "accuracy.tsv"))
    if options.check:
        return int(picture.read_text(encoding="utf-8") != drawn)
    picture.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
