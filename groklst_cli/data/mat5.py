"""Reading real matrices from MAT files of version 5, which MATLAB writes with ``-v6`` and ``-v7``.

The format is MathWorks' *MAT-File Format* (2023): a header of 128 bytes, then elements, each a tag
(type, length) followed by that many bytes. Every length is checked against the size of the file
before it is used.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEADER: Final = 128  # bytes
LARGEST: Final = 2**28
"""Largest size of a field, or of an unpacked element, bytes."""

_MATRIX, _PACKED, _LONG = 14, 15, 6
_NUMBERS: Final = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_CLASSES: Final = range(6, 16)  # double, single and the integers
_COMPLEX: Final = 0x0800


class DamageError(ValueError):
    """The file contradicts its header."""


def read_mat5(content: bytes, fields: Collection[str]) -> dict[str, NDArray[Any]]:
    """Find some real matrices by name; everything else in the file is skipped.

    Args:
        content: The whole file.
        fields: Names.

    Returns:
        ``(rows, columns)`` by name, for those that exist.

    Raises:
        DamageError: If it is not a MAT file of version 5 or is damaged.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise DamageError("it has no header of version 5")
    found = {}
    for kind, body in _elements(content[HEADER:], order, padded=False):
        inside = _elements(_unpack(body), order) if kind == _PACKED else [(kind, body)]
        for inner, matrix in inside:
            if inner != _MATRIX:
                continue
            name, parts = _describe(matrix, order)
            if name in fields:
                found[name] = _matrix(parts, order)
    return found


def _elements(content: bytes, order: str, *, padded: bool = True) -> Iterator[tuple[int, bytes]]:
    """Split content into types and bodies; lengths up to 4 use half a tag."""
    place = 0
    while place + 8 <= len(content):
        (tag,) = struct.unpack_from(f"{order}I", content, place)
        small, kind = tag >> 16, tag & 0xFFFF
        if small:
            start, length, step = place + 4, small, 8
        else:
            (length,) = struct.unpack_from(f"{order}I", content, place + 4)
            start = place + 8
            step = 8 + length + (-length % 8 if padded else 0)
        if small > 4 or start + length > len(content):
            raise DamageError(f"the element at byte {place} has a length of {length} bytes")
        yield kind, content[start : start + length]
        place += step
    if place < len(content) and any(content[place:]):
        raise DamageError(f"it is truncated at byte {place}")


def _unpack(body: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(body, LARGEST)
    except zlib.error as error:
        raise DamageError(f"a packed element is damaged: {error}") from error
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise DamageError(f"a packed element is truncated or holds more than {LARGEST} bytes")
    return content


def _describe(matrix: bytes, order: str) -> tuple[str, list[tuple[int, bytes]]]:
    """Read the name of a matrix; its parts are flags, dimensions, name and values."""
    parts = list(_elements(matrix, order))
    if len(parts) < 3:
        raise DamageError("a matrix has no name")
    return parts[2][1].decode("latin-1"), parts


def _matrix(parts: list[tuple[int, bytes]], order: str) -> NDArray[Any]:
    (flags_kind, flags), (_, sides), (_, spelled) = parts[:3]
    name = spelled.decode("latin-1")
    if flags_kind != _LONG or len(flags) != 8 or len(sides) % 4:
        raise DamageError(f"the header of field {name!r} is damaged")
    (word,) = struct.unpack_from(f"{order}I", flags)
    if word & 0xFF not in _CLASSES or word & _COMPLEX or len(parts) != 4:
        raise DamageError(f"field {name!r} has another type, expected a matrix of real numbers")
    shape = struct.unpack(f"{order}{len(sides) // 4}i", sides)
    if len(shape) != 2:
        raise DamageError(f"field {name!r} has {len(shape)} dimensions, expected two")
    kind, values = parts[3]
    if kind not in _NUMBERS:
        raise DamageError(f"the numbers of field {name!r} have the unknown type {kind}")
    if len(values) % np.dtype(_NUMBERS[kind]).itemsize:
        raise DamageError(f"a number of field {name!r} is truncated")
    numbers = np.frombuffer(values, f"{order}{_NUMBERS[kind]}")
    if min(shape) < 0 or prod(shape) != numbers.size:
        raise DamageError(f"field {name!r} has the shape {shape}, but holds {numbers.size} numbers")
    return numbers.reshape(shape, order="F")
