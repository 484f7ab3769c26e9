"""Reading a list of scenes: CSV with a header, or one JSON object a line.

A list is data. Cells are text as it would be typed on the command line; what they mean is settled
by whoever asked. The file is read as a stream, and no line of it may be longer than a mebibyte.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from groklst_cli.errors import InputError, UsageError

KEYS: Final[Mapping[str, tuple[type, ...]]] = {
    "lst": (str,),
    "output": (str,),
    "guide": (str, list),
    "scale": (int,),
    "model": (str,),
    "lst_units": (str,),
    "resampling": (str,),
    "coregister": (str,),
    "psf": (str, int, float),
    "conserve": (str,),
    "sensor_psf": (int, float),
    "bounds": (str, list),
    "dst_nodata": (str, int, float),
    "uncertainty": (str,),
    "picture": (str,),
}
"""What a scene may say, and the JSON types it may say it in."""

_LONGEST: Final = 2**20  # characters of a line
_JSON_LINES: Final = (".jsonl", ".ndjson", ".json-lines")


@dataclass(frozen=True)
class SceneRow:
    """One scene of a list.

    Attributes:
        where: The file and the line, for messages.
        cells: What it says, as typed text; only ``guide`` may hold several.
    """

    where: str
    cells: Mapping[str, tuple[str, ...]]

    def get(self, key: str) -> str | None:
        """Return what is said about a key; None if nothing is."""
        found = self.cells.get(key)
        return found[0] if found else None


def read_scene_list(path: Path) -> Iterator[SceneRow]:
    """Read the scenes of a ``.csv`` or ``.jsonl`` file.

    Raises:
        InputError: If the file cannot be read.
        UsageError: If it is of another kind, or a line of it does not make sense.
    """
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in _JSON_LINES:
        raise UsageError(f"{path} is no list of scenes by its name; write .csv or .jsonl")
    read = _read_csv if suffix == ".csv" else _read_json_lines
    empty = True
    try:
        with open(path, encoding="utf-8-sig", newline="" if suffix == ".csv" else None) as file:
            for row in read(path, file):
                empty = False
                yield row
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise InputError(f"{path} cannot be read: {error}") from error
    if empty:
        raise UsageError(f"{path} holds no scene; write one a line")


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise UsageError(f"{path} line {number} is longer than {_LONGEST} characters; split it")
        if "\0" in line:
            raise UsageError(f"{path} line {number} holds a NUL, which no text does")
        yield line


def _read_csv(path: Path, file: TextIO) -> Iterator[SceneRow]:
    reader = csv.reader(_lines(path, file), strict=True)
    try:
        header = [_key(name, f"{path} line 1") for name in next(reader, [])]
        twins = {key for key in header if header.count(key) > 1} - {"guide"}
        if "lst" not in header or twins:
            problem = f"names {', '.join(sorted(twins))} twice" if twins else "has no column lst"
            raise UsageError(f"{path} line 1 {problem}; write a header such as lst,output,guide")
        for cells in reader:
            where = f"{path} line {reader.line_num}"
            if not cells:
                continue
            if len(cells) != len(header):
                raise UsageError(f"{where} has {len(cells)} cells, the header has {len(header)}")
            yield _row(where, [(k, c.strip()) for k, c in zip(header, cells, strict=True)])
    except csv.Error as error:
        raise UsageError(f"{path} line {reader.line_num}: {error}; quote cells as CSV") from error


def _read_json_lines(path: Path, file: TextIO) -> Iterator[SceneRow]:
    for number, line in enumerate(_lines(path, file), 1):
        where = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is no JSON: {error}; write one object a line") from error
        if not isinstance(pairs, _Pairs):
            raise UsageError(f'{where} is no JSON object; write {{"lst": "FILE", …}}')
        keys = [_key(name, where) for name, _ in pairs]
        if len(set(keys)) < len(keys):
            raise UsageError(f"{where} says one thing twice; name each key once")
        yield _row(
            where,
            [
                (key, text)
                for key, (_, value) in zip(keys, pairs, strict=True)
                for text in _texts(key, value, where)
            ],
        )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands, twins and all."""


def _texts(key: str, value: Any, where: str) -> list[str]:
    """Turn a JSON value into what would be typed for it."""
    if value is None:
        return []
    allowed = KEYS[key]
    if isinstance(value, bool | _Pairs) or not isinstance(value, allowed):
        kinds = " or ".join("number" if kind in (int, float) else kind.__name__ for kind in allowed)
        raise UsageError(f"{where}: {key} is {json.dumps(value)[:80]}, it must be {kinds}")
    if not isinstance(value, list):
        return [str(value)]
    inner = str if key == "guide" else (int, float)
    if not all(isinstance(item, inner) and not isinstance(item, bool) for item in value):
        raise UsageError(
            f"{where}: {key} must be a list of {'strings' if inner is str else 'numbers'}"
        )
    texts = [str(item) for item in value]
    return texts if key == "guide" else [" ".join(texts)]


def _key(name: str, where: str) -> str:
    key = name.strip().replace("-", "_")
    if key not in KEYS:
        raise UsageError(f"{where}: {name!r} is no key of a scene; choose from {', '.join(KEYS)}")
    return key


def _row(where: str, pairs: list[tuple[str, str]]) -> SceneRow:
    cells: dict[str, tuple[str, ...]] = {}
    for key, text in pairs:
        if text:
            cells[key] = (*cells.get(key, ()), text)
    if "lst" not in cells:
        raise UsageError(f"{where} names no lst; say which file to downscale")
    return SceneRow(where, cells)
