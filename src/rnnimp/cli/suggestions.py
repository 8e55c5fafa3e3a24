"""The known word that a mistyped one was most likely meant to be."""

from __future__ import annotations

from collections.abc import Iterable

_LEAST_LIKENESS = 0.6


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that begins with `word`, else the one most like it; None if none is.

    Dashes at the start and capitals do not count.

    >>> nearest("--thread", ["--threads", "--truth"]), nearest("imptue", ["impute", "merge"]), nearest("x", ["merge"])
    ('--threads', 'impute', None)
    """
    from difflib import get_close_matches  # only a mistake needs it

    plain = {name.lstrip("-").lower(): name for name in known}
    wanted = word.lstrip("-").lower()
    begun = [name for name in sorted(plain, key=len) if wanted and name.startswith(wanted)]
    found = begun or get_close_matches(wanted, plain, n=1, cutoff=_LEAST_LIKENESS)
    return plain[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word; empty if there is none."""
    found = nearest(word, known)
    return f"did you mean '{found}'?" if found else ""
