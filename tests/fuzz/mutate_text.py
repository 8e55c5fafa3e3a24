"""Mutators of text: lines, the tokens in them, and single bytes. All work on bytes, as files do."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutator = Callable[[Random, bytes], bytes]

NUMBERS = [
    *("0", "-1", "1", "2", "9", "+5", "00", "-0", "1.0", "0.5", "1.0001", "-0.0001", "1e3", "1e400", "1e-400", "1_000"),
    *("nan", "NaN", "inf", "-inf", "NA", ".", "", "0x10", "1,5", "127", "128", "255", "256", "32767", "65535", "65536"),
    *("2147483646", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807"),
    *("9223372036854775808", "-2147483648", "-9223372036854775809", "1" * 400, "\u0663", "\uff11\uff12"),
]
WORDS = [
    *("A", "C", "G", "T", "N", "a", "AT", "TA", "A,C", "A,A", "A,<DEL>", "<DEL>", "*", ".", "0", "?", "-", "A]22:5]"),
    *("22", "chr22", "21", "X", "chrX", "MT", "23", "PAR1", "#", "##", "GT", "DS", "rs1", "id", "position", "pos"),
    *("0|1", "1|0", "0/1", "|0|1", "/0/1", "0|", "|", "2|9", "0|1|0", ".|.", "./.", "1", "-1|0", "0|-", "0*", "1:1"),
    *("\x1b[31mred\x1b[0m", "a\x00b", "\x07", "caf\u00e9", "\u202e", "a b", "a\tb", "\u00a0", "\ufeff", "x" * 5000),
    *("../../x", "/dev/zero", "%s", "{}", "'", '"', ";", "&", "true", "null", "[]"),
]
_NOT_TEXT = [b"\xff", b"\xff\xfe", b"\x80abc", b"\xc3", b"\xed\xa0\x80"]


def any_token(random: Random) -> bytes:
    """A number, a word or bytes that are no text, all of them likely to hurt."""
    choice = random.random()
    if choice < 0.5:
        return random.choice(NUMBERS).encode()
    if choice < 0.95:
        return random.choice(WORDS).encode()
    return random.choice(_NOT_TEXT)


def delete_line(random: Random, lines: list[bytes]) -> None:
    """Remove a line."""
    del lines[random.randrange(len(lines))]


def repeat_line(random: Random, lines: list[bytes]) -> None:
    """Write a line again, next to it or elsewhere."""
    line = random.choice(lines)
    lines.insert(random.choice([lines.index(line), random.randrange(len(lines) + 1)]), line)


def swap_lines(random: Random, lines: list[bytes]) -> None:
    """Exchange two lines."""
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]


def join_lines(random: Random, lines: list[bytes]) -> None:
    """Lose the end of a line."""
    row = random.randrange(len(lines))
    lines[row] = lines[row].rstrip(b"\r\n")


def end_line_otherwise(random: Random, lines: list[bytes]) -> None:
    """Give one line, or all of them, another end."""
    end = random.choice([b"\r\n", b"\r", b" \n", b"\t\n", b"\n\n", b"\x0b\n", b"\x0c\n", b"\xc2\x85", b"\x00\n"])
    rows = range(len(lines)) if random.random() < 0.4 else [random.randrange(len(lines))]
    for row in rows:
        lines[row] = lines[row].rstrip(b"\r\n") + end


def add_line(random: Random, lines: list[bytes]) -> None:
    """Write an empty line, a comment or a stray token somewhere."""
    text = random.choice([b"", b"#comment", b"##comment", b" ", b"\t", any_token(random)])
    lines.insert(random.randrange(len(lines) + 1), text + b"\n")


def change_a_token(random: Random, lines: list[bytes]) -> None:
    """Change one token of a line: replace, remove, repeat or exchange it, or count it up or down."""
    row = random.randrange(len(lines))
    body = lines[row].rstrip(b"\r\n")
    end = lines[row][len(body) :]
    separator = random.choice([mark for mark in (b"\t", b" ", b",", b":", b";", b"|", b"=") if mark in body] or [b" "])
    tokens = body.split(separator)
    at = random.randrange(len(tokens))
    action = random.randrange(8)
    if action < 3:
        tokens[at] = any_token(random)
    elif action == 3:
        del tokens[at]
    elif action == 4:
        tokens.insert(at, tokens[at])
    elif action == 5:
        other = random.randrange(len(tokens))
        tokens[at], tokens[other] = tokens[other], tokens[at]
    elif action == 6:
        tokens[at] = _counted(random, tokens[at])
    else:
        tokens.insert(at, any_token(random))
    lines[row] = separator.join(tokens) + end


def _counted(random: Random, token: bytes) -> bytes:
    try:
        value = int(token)
    except ValueError:
        return token.swapcase() + random.choice([b"", b"0", b"x"])
    return str(random.choice([value + 1, value - 1, -value, value * 1000, value + 2**31, value + 2**32])).encode()


def change_bytes(random: Random, data: bytes) -> bytes:
    """Replace, remove or insert a few bytes, or cut the rest off."""
    if not data:
        return bytes([random.randrange(256)])
    at = random.randrange(len(data))
    action = random.randrange(6)
    if action == 0:
        return data[:at]
    if action == 1:
        return data[:at] + data[at + random.choice([1, 1, 2, 4, 16]) :]
    if action == 2:
        return data[:at] + bytes(random.randrange(256) for _ in range(random.choice([1, 1, 2, 4]))) + data[at:]
    if action == 3:
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
    if action == 4:
        return data[:at] + random.choice([b"\x00", b"\n", b"\t", b" ", b"\xff", b"0", b"-"]) + data[at + 1 :]
    stop = at + random.randrange(64)
    return data[:stop] + data[at:stop] + data[stop:]


_ON_LINES = [delete_line, repeat_line, swap_lines, join_lines, end_line_otherwise, add_line]


def mutate_text(random: Random, data: bytes) -> bytes:
    """Change a text in one to three places."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        lines = data.splitlines(keepends=True)
        choice = random.random()
        if not lines or choice < 0.15:
            data = change_bytes(random, data)
            continue
        change = change_a_token if choice < 0.75 else random.choice(_ON_LINES)
        change(random, lines)
        data = b"".join(lines)
    return random.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\n"]) + data if random.random() < 0.02 else data
