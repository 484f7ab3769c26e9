"""Read values from untrusted plain data: a value of the wrong type is refused.

Nothing is converted: ``8.9`` is not accepted as 8, and ``"no"`` not as a boolean.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from groklst_models.errors import CheckpointError

_SHOWN: Final = 60  # characters of a value in a message


def whole(data: Mapping[str, Any], key: str, least: int, most: int) -> int:
    """Return a whole number.

    Raises:
        CheckpointError: If it is missing, not a whole number, or not in ``least … most``.
    """
    value = _held(data, key)
    if type(value) is not int or not least <= value <= most:
        raise _unlike(key, value, f"a whole number in {least} … {most}")
    return value


def number(data: Mapping[str, Any], key: str) -> float:
    """Return a finite number.

    Raises:
        CheckpointError: If it is missing, not a number, NaN or infinite.
    """
    value = _held(data, key)
    if type(value) not in (int, float) or not abs(value) < math.inf:
        raise _unlike(key, value, "a finite number")
    try:
        return float(value)
    except OverflowError as error:
        raise _unlike(key, "over 1e308", "a finite number") from error


def text(data: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """Return a text.

    Raises:
        CheckpointError: If it is missing without a default, or has another type.
    """
    value = _held(data, key, default)
    if not isinstance(value, str):
        raise _unlike(key, value, "a text")
    return value


def flag(data: Mapping[str, Any], key: str) -> bool:
    """Return true or false, and false where it is missing.

    Raises:
        CheckpointError: If it has another type.
    """
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise _unlike(key, value, "true or false")
    return value


def table(
    data: Mapping[str, Any], key: str, default: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a table.

    Raises:
        CheckpointError: If it is missing without a default, or has another type.
    """
    value = _held(data, key, default)
    if not isinstance(value, Mapping):
        raise _unlike(key, value, "a table")
    return dict(value)


def tables(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return a list of tables.

    Raises:
        CheckpointError: If it is missing, or has another type.
    """
    value = _held(data, key)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise _unlike(key, value, "a list of tables")
    return value


def _held(data: Mapping[str, Any], key: str, default: Any = None) -> Any:
    value = data.get(key, default)
    if value is None:
        raise CheckpointError(f"its {key} is missing")
    return value


def _unlike(key: str, value: Any, expected: str) -> CheckpointError:
    try:
        shown = json.dumps(value)
    except (TypeError, ValueError, RecursionError):  # numbers of too many digits, lists too deep
        shown = type(value).__name__
    cut = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return CheckpointError(f"its {key} is {cut}, expected {expected}")
