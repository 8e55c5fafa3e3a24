"""An inspection as lines for the eye: one per fact, the names in front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rnnimp.pipeline.inspect.findings import ALL, Inspection
from rnnimp.wording import counted, first_few, printable

_MOST_LISTED = 10
_LABELS = {
    "hmm_states": "HMM states",
    "size_bytes": "size",
    "genome_builds": "genome build",
    "validation_r2": "validation R2",
    "phased_share": "phased",
    "missing_share": "missing",
}
_WITHIN_ANOTHER = ("sites_counted", "lines_counted", "genome_build_by", "sampled_records", "changed_settings")


def report(inspection: Inspection) -> str:
    """The text that `rnnimp inspect` prints; facts that are not known are left out."""
    rows = [("file", inspection.path), ("kind", inspection.kind)]
    for name, value in inspection.facts.items():
        if name in _WITHIN_ANOTHER or value is None or value in ([], {}, ""):
            continue
        label = _LABELS.get(name, name.replace("_", " "))
        texts = _TEXTS[name](value, inspection.facts) if name in _TEXTS else _plain(value)
        rows += [(label if not place else "", text) for place, text in enumerate(texts)]
    rows += [("problem", problem) for problem in inspection.problems]
    width = max(len(label) for label, _ in rows)
    return "".join(f"{label:<{width}}  {printable(text)}".rstrip() + "\n" for label, text in rows)


def _plain(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, int):
        return [f"{value:,}"]
    if isinstance(value, Mapping):
        return [
            f"{name.replace('_', ' ')}: {', '.join(_plain(item))}" for name, item in value.items() if item is not None
        ]
    if isinstance(value, (list, tuple)):
        return [first_few([str(item) for item in value], _MOST_LISTED)]
    return [str(value)]


def _size(value: int, _: Mapping[str, Any]) -> list[str]:
    return [f"{value / 1e6:,.1f} MB" if value >= 1e5 else f"{value / 1e3:,.1f} kB"]


def _counted(value: int, facts: Mapping[str, Any]) -> list[str]:
    how = facts.get("sites_counted") or facts.get("lines_counted") or ALL
    return [f"{value:,}" if how == ALL else f"{value:,} ({how})"]


def _chromosomes(value: Mapping[str, Mapping[str, int]], _: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{name or 'not named'}: {place['sites']:,} {'site' if place['sites'] == 1 else 'sites'}, "
        f"{place['first_position']:,} to {place['last_position']:,}"
        for name, place in list(value.items())[:25]
    ]
    return lines + ([f"and {len(value) - 25} more"] if len(value) > 25 else [])


def _builds(value: list[str], facts: Mapping[str, Any]) -> list[str]:
    return [f"{' or '.join(value) or 'none that is known'}, by {facts['genome_build_by']}"]


def _recipe(value: str, facts: Mapping[str, Any]) -> list[str]:
    changed = facts["changed_settings"]
    if not changed:
        return [value]
    name = value if facts["recipe_is_named"] else f"not named, closest to {value}"
    lines = [f"{name}, {counted(len(changed), 'setting')} changed:"]
    return lines + [f"  {name} {both['model']} (recipe: {both['recipe']})" for name, both in changed.items()]


def _states(value: Mapping[str, int | None], _: Mapping[str, Any]) -> list[str]:
    if not value["number"]:
        return ["none"]
    carriers = value["carriers"]
    if carriers is None:
        return [f"{value['number']:,}"]
    what = f"each allele drawn from {carriers} people or more" if carriers else "copied from haplotypes of the panel"
    return [f"{value['number']:,}, {what}"]


def _step(value: float, _: Mapping[str, Any]) -> list[str]:
    return [f"{value:.3g}" if value else "none, frequencies are exact"]


def _checksums(value: Mapping[str, Any], _: Mapping[str, Any]) -> list[str]:
    parts = [f"{counted(value['right'], 'file')} as in the manifest"]
    parts += [f"{len(value[name])} {name}: {first_few(value[name])}" for name in ("wrong", "missing") if value[name]]
    return ["; ".join(parts)]


def _audit(value: Mapping[str, Any], _: Mapping[str, Any]) -> list[str]:
    if value["sentence"] is None:
        return [f"cannot be read: {value['problem']}"]
    note = "" if value["is_of_these_files"] else " (of other files than these)"
    return [f"{value['sentence']}{note}"]


def _share(value: float, facts: Mapping[str, Any]) -> list[str]:
    return [f"{100 * value:.3g}% ({_sampled(facts)})"]


def _phased(value: float, facts: Mapping[str, Any]) -> list[str]:
    words = "yes" if value == 1 else "no" if value == 0 else f"{100 * value:.3g}% of heterozygous genotypes"
    return [f"{words} ({_sampled(facts)})"]


def _sampled(facts: Mapping[str, Any]) -> str:
    return f"in the first {counted(facts.get('sampled_records', 0), 'record')}"


def _positions(value: list[int], _: Mapping[str, Any]) -> list[str]:
    return [f"{value[0]:,} to {value[1]:,}"]


_TEXTS: Mapping[str, Callable[[Any, Mapping[str, Any]], list[str]]] = {
    "size_bytes": _size,
    "sites": _counted,
    "lines": _counted,
    "chromosomes": _chromosomes,
    "positions": _positions,
    "genome_builds": _builds,
    "recipe": _recipe,
    "hmm_states": _states,
    "frequency_step": _step,
    "checksums": _checksums,
    "audit": _audit,
    "missing_share": _share,
    "phased_share": _phased,
}
