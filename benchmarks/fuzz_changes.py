"""Ways to damage a file: by bits, by lengths, by pieces, by words, inside its own structure."""

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, Final

Change = Callable[[bytes, random.Random], bytes]

_HEADER: Final = 512  # bytes; most lengths and offsets stand there
_NUMBERS: Final = (0, 1, 2, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
_WORDS: Final = (
    "0", "1", "-1", "3", "64", "65", "1e999", "-0.0", "nan", "inf", "99999999999", "1" * 5000, "²",
    "true", "null", "[]", "{}", '""', '"a"', "[" * 3000, '{"a":' * 3000, "\0", "\ufeff", "\r", "\n",
    "../../../x", "/dev/zero", "'", '"', "=", ",", "é", "\u2028", "\ud7ff", "a" * 300, '"nan"',
)  # fmt: skip
_VALUES: Final = (
    None, True, "", "a", "1e999", 1e300, -0.5, 2.5, float("nan"), float("inf"), [], [[]], {}, 3, 8,
    {"a": 1}, [2**70], [0, 1], ["a", "a"], [None], "\0", "../x", "é" * 300, 10**400, 65536, -1,
)  # fmt: skip
_TOKEN: Final = re.compile(r'"[^"\n]*"|[-+]?\d[\w.+-]*|\w+|[^\w\s]|\s+')
_SEVERAL: Final = 4


def binary(content: bytes, draw: random.Random) -> bytes:
    """Flip bits, overwrite bytes and lengths, cut, and move pieces about."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, _SEVERAL)):
        draw.choice((_flip, _overwrite, _length, _length, _truncate, _splice, _remove))(
            changed, draw
        )
    return bytes(changed)


def text(content: bytes, draw: random.Random) -> bytes:
    """Edit the words of a text; now and then its bytes."""
    if draw.random() < 0.15:
        return binary(content, draw)
    tokens = _TOKEN.findall(content.decode())
    for _ in range(draw.randint(1, _SEVERAL)):
        place = draw.randrange(len(tokens) + 1)
        old = tokens[place : place + 1]
        new = [draw.choice((*_WORDS, draw.choice(tokens or ["x"])))]
        tokens[place : place + 1] = draw.choice((new, [*old, *new], [], old * 2))
    return "".join(tokens).encode("utf-8", "surrogatepass")


def plain(content: bytes, draw: random.Random) -> bytes:
    """Put other values into JSON, which stays JSON; or edit its words."""
    if draw.random() < 0.3:
        return text(content, draw)
    held = json.loads(content)
    for _ in range(draw.randint(1, 2)):
        owner, key = draw.choice(list(_leaves(held)))
        owner[key] = draw.choice((*_VALUES, *_NUMBERS, -draw.choice(_NUMBERS)))
    return json.dumps(held).encode()


def safetensors(content: bytes, draw: random.Random) -> bytes:
    """Edit what stands in the header of a checkpoint, its length kept right; or any bytes."""
    if draw.random() < 0.4:
        return binary(content, draw)
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    if draw.random() < 0.8:
        ours = header["__metadata__"]["groklst"].encode()
        header["__metadata__"]["groklst"] = plain(ours, draw).decode("utf-8", "replace")
        made = json.dumps(header).encode()
    else:
        made = plain(content[8 : 8 + length], draw)
    return struct.pack("<Q", len(made)) + made + content[8 + length :]


def pickle_in_zip(content: bytes, draw: random.Random) -> bytes:
    """Damage one member of a zip file, its checksum made right again; or any bytes."""
    if draw.random() < 0.3:
        return binary(content, draw)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        chosen = draw.choice([name for name in old.namelist() if name.endswith(("pkl", "/0"))])
        for name in old.namelist():
            held = old.read(name)
            new.writestr(name, binary(held, draw) if name == chosen else held)
    return made.getvalue()


def _leaves(held: Any) -> Iterator[tuple[Any, Any]]:
    """Find every value, and what it stands in, by name or position."""
    items: Any = held.items() if isinstance(held, dict) else enumerate(held)
    for key, value in list(items):
        yield held, key
        if isinstance(value, dict | list):
            yield from _leaves(value)


def _place(content: bytearray, draw: random.Random) -> int:
    reach = min(len(content), _HEADER) if draw.random() < 0.5 else len(content)
    return draw.randrange(max(1, reach))


def _flip(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.randint(1, 16) if content else 0):
        content[_place(content, draw)] ^= 1 << draw.randrange(8)


def _overwrite(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    content[place : place + 1] = draw.choice((b"\0", b"\xff", b"\x7f", b"\x80", draw.randbytes(1)))


def _length(content: bytearray, draw: random.Random) -> None:
    """Put a number that matters where a number may stand."""
    size, order = draw.choice((1, 2, 4, 8)), draw.choice(("little", "big"))
    place = _place(content, draw)
    place -= place % draw.choice((1, min(size, 4)))
    number = draw.choice(_NUMBERS) % 256**size
    content[place : place + size] = number.to_bytes(size, order)


def _truncate(content: bytearray, draw: random.Random) -> None:
    del content[_place(content, draw) :]


def _splice(content: bytearray, draw: random.Random) -> None:
    first, second, size = _place(content, draw), _place(content, draw), draw.randint(1, 64)
    content[first : first + draw.choice((0, size))] = content[second : second + size]


def _remove(content: bytearray, draw: random.Random) -> None:
    place = _place(content, draw)
    del content[place : place + draw.randint(1, 64)]
