"""Read a list of scenes: CSV with a header, or one JSON object per line.

CSV is read as spreadsheets save it: cells are separated by commas, semicolons or tabs, column names
may be in any case, and empty lines and columns at the end are ignored. A list is data: cells are
text as on the command line, and the caller decides what they mean. The file is read as a stream,
and no line of it may be longer than a mebibyte.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from groklst_cli.errors import InputError, UsageError
from groklst_cli.pipeline.downscale.running import Running
from groklst_cli.pipeline.predict.option import options_of
from groklst_cli.pipeline.predict.settings import Settings

if TYPE_CHECKING:
    import _csv

LISTED: Final = {
    name: option for name, option in options_of(Settings, Running).items() if option.listed
}
"""Options in which the scenes of a list may differ."""

_JSON: Final[Mapping[Any, tuple[type, ...]]] = {
    int: (int,),
    float: (str, int, float),
    str: (str, int, float),
    Path: (str,),
}
"""The JSON types of option values; others are text, or lists of numbers."""

KEYS: Final[Mapping[str, tuple[type, ...]]] = {
    "lst": (str,),
    "output": (str,),
    "guide": (str, list),
    "mask": (str, list),
    "guide_mask": (str, list),
    **{name: _JSON.get(option.kind, (str, list)) for name, option in LISTED.items()},
}
"""The keys of a scene, and their JSON types."""

SEVERAL: Final = frozenset(("guide", "mask", "guide_mask"))
"""Keys that may have several values."""

_LONGEST: Final = 2**20  # characters of a line
_SEPARATORS: Final = (",", ";", "\t")
_JSON_LINES: Final = (".jsonl", ".ndjson", ".json-lines")


@dataclass(frozen=True)
class SceneRow:
    """One scene of a list.

    Attributes:
        where: The file and the line, for messages.
        cells: Its values as typed text; only guides and masks may have several.
    """

    where: str
    cells: Mapping[str, tuple[str, ...]]

    def get(self, key: str) -> str | None:
        """Return the value of a key, or None."""
        found = self.cells.get(key)
        return found[0] if found else None


def read_scene_list(path: Path) -> Iterator[SceneRow]:
    """Read the scenes of a ``.csv`` or ``.jsonl`` file.

    Raises:
        InputError: If the file cannot be read.
        UsageError: If it has another ending, or a line is not valid.
    """
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in _JSON_LINES:
        raise UsageError(f"{path} is not a list of scenes by its name; name a .csv or .jsonl file")
    read = _read_csv if suffix == ".csv" else _read_json_lines
    empty = True
    try:
        with open(path, encoding="utf-8-sig", newline="" if suffix == ".csv" else None) as file:
            for row in read(path, file):
                empty = False
                yield row
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is {_encoding(error)}; save it as UTF-8") from error
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise InputError(f"{path} cannot be read: {error}") from error
    if empty:
        raise UsageError(f"{path} contains no scene; write one per line")


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise UsageError(
                f"{path} line {number} is longer than {_LONGEST} characters; shorten it"
            )
        if "\0" in line:
            raise UsageError(
                f"{path} line {number} contains a NUL, which is not allowed in text; remove it"
            )
        yield line


def _encoding(error: UnicodeDecodeError) -> str:
    """Describe the encoding of a file that is not UTF-8."""
    if error.object[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16 text, as some spreadsheets save it"
    return "not UTF-8 text"


def _read_csv(path: Path, file: TextIO) -> Iterator[SceneRow]:
    reader, first = _reader(path, file)
    try:
        names = _without_empty_end(next(reader, []))
        header = [_key(name, f"{path} line {first}") for name in names]
        twins = {key for key in header if header.count(key) > 1} - SEVERAL
        if "lst" not in header or twins:
            problem = f"names {', '.join(sorted(twins))} twice" if twins else "has no column lst"
            raise UsageError(
                f"{path} line {first} {problem}; write a header such as lst,output,guide"
            )
        for cells in reader:
            where = f"{path} line {reader.line_num + first - 1}"
            if not any(cell.strip() for cell in cells):
                continue  # spreadsheets leave such lines, and columns, at the end
            if len(cells) > len(header):
                cells = [*cells[: len(header)], *_without_empty_end(cells[len(header) :])]
            if len(cells) != len(header):
                raise UsageError(f"{where} has {len(cells)} cells, the header has {len(header)}")
            yield _row(where, [(k, c.strip()) for k, c in zip(header, cells, strict=True)])
    except csv.Error as error:
        where = f"{path} line {reader.line_num + first - 1}"
        raise UsageError(f"{where}: {error}; quote cells as CSV") from error


def _reader(path: Path, file: TextIO) -> "tuple[_csv.Reader, int]":
    """Return a reader for the file's separator, and the number of its first line."""
    lines = _lines(path, file)
    first, number = next(lines, ""), 1
    if stated := re.fullmatch(r'"?sep=([,;\t])"?', first.strip(" \r\n"), re.IGNORECASE):
        first, number = next(lines, ""), 2
        separator = stated[1]
    else:
        separator = max(_SEPARATORS, key=first.count)  # no key holds any of them
    return csv.reader(chain([first], lines), delimiter=separator, strict=True), number


def _without_empty_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _read_json_lines(path: Path, file: TextIO) -> Iterator[SceneRow]:
    for number, line in enumerate(_lines(path, file), 1):
        where = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is not JSON: {error}; write one object per line") from error
        if not isinstance(pairs, _Pairs):
            raise UsageError(f'{where} is not a JSON object; write {{"lst": "FILE", …}}')
        keys = [_key(name, where) for name, _ in pairs]
        if len(set(keys)) < len(keys):
            raise UsageError(f"{where} has a key twice; name each key once")
        yield _row(
            where,
            [
                (key, text)
                for key, (_, value) in zip(keys, pairs, strict=True)
                for text in _texts(key, value, where)
            ],
        )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with repeated keys."""


def _texts(key: str, value: Any, where: str) -> list[str]:
    """Convert a JSON value to the text that would be typed for it."""
    if value is None:
        return []
    allowed = KEYS[key]
    if isinstance(value, bool | _Pairs) or not isinstance(value, allowed):
        kinds = " or ".join("number" if kind in (int, float) else kind.__name__ for kind in allowed)
        raise UsageError(f"{where}: {key} is {json.dumps(value)[:80]}, expected {kinds}")
    if not isinstance(value, list):
        return [str(value)]
    inner = str if key in SEVERAL else (int, float)
    if not all(isinstance(item, inner) and not isinstance(item, bool) for item in value):
        raise UsageError(
            f"{where}: {key} is not valid, expected a list of "
            f"{'strings' if inner is str else 'numbers'}"
        )
    texts = [str(item) for item in value]
    return texts if key in SEVERAL else [" ".join(texts)]


def _key(name: str, where: str) -> str:
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    if key not in KEYS:
        raise UsageError(
            f"{where}: {name!r} is not a key of a scene; choose from {', '.join(KEYS)}"
        )
    return key


def _refuse_no_text(where: str, key: str, text: str) -> None:
    """Refuse JSON texts that cannot be file names."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{where}: {key} holds half a character (\\u{ord(text[error.start]):x}), which no "
            "name does; write the name unescaped"
        ) from error
    if "\0" in text:
        raise UsageError(
            f"{where}: {key} holds a NUL, which no name does; write the name unescaped"
        )


def _row(where: str, pairs: list[tuple[str, str]]) -> SceneRow:
    cells: dict[str, tuple[str, ...]] = {}
    for key, text in pairs:
        _refuse_no_text(where, key, text)
        if text:
            cells[key] = (*cells.get(key, ()), text)
    if "lst" not in cells:
        raise UsageError(f"{where} has no lst; name the file to downscale")
    return SceneRow(where, cells)
