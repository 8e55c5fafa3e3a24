"""Mutators of JSON: values of another kind, keys that are missing, unknown or doubled; and its text."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from fuzz.mutate_text import NUMBERS, WORDS, mutate_text

ODD_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 1.5, -0.5, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**30, "", "x", "1"),
    *([], [[]], {}, [1, 2], {"a": 1}, "22\n23", "chr\x1b[31m", "../../x", "a\u0000b", "x" * 5000, [None], "0" * 64),
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container with each of its keys or indices."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], (dict, list)):
            found += places(value[key])
    return found


def mutate_json(random: Random, data: bytes) -> bytes:
    """Change a value or a key of a JSON text, or its text."""
    if random.random() < 0.2:
        return mutate_text(random, data)
    if random.random() < 0.02:
        return random.choice([b"[" * 100_000, b'{"a":' * 50_000, b"1", b"null", b'"x"', b"[]", b"{}", b""])
    content = json.loads(data)
    for _ in range(random.choice([1, 1, 1, 2])):
        found = places(content)
        if not found:
            break
        container, key = random.choice(found)
        action = random.randrange(6)
        if action < 3:
            container[key] = random.choice([*ODD_VALUES, random.choice(WORDS), random.choice(NUMBERS)])
        elif action == 3:
            del container[key]
        elif action == 4 and isinstance(container, dict):
            container[random.choice(["x", "", "index", "files", "\x1b[31m", "__class__", key])] = container.get(key)
        elif isinstance(container, list):
            container.insert(key, container[key])
        else:
            container[key] = [container[key]]
    text = json.dumps(content, indent=random.choice([None, 2]))
    if random.random() < 0.05 and text.startswith("{"):  # the first key again
        text = '{"format": 1, ' + text[1:]
    return text.encode("utf-8", "surrogatepass")
