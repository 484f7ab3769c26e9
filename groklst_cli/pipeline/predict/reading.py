"""Parse the typed value of an option, or say what to type instead."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar, cast, get_args

from groklst_cli.errors import UsageError

Shift = tuple[float, float]
"""Shift of a guide's content along columns and rows, coarse pixels."""

Coregistration = Literal["none", "auto", "fitted"] | Shift
"""Do not move guides, estimate their shift for all methods or only for fitted ones, or state it
(columns, rows; coarse pixels)."""

PointSpread = Literal["auto", "none"] | float
"""Estimate the point spread, use none, or use this one, fine pixels."""

NoiseLevel = Literal["auto"] | float
"""Estimate the noise of the coarse LST, or use this standard deviation, kelvin."""

_LARGEST_SIGMA: Final = 32.0
_LARGEST_NOISE: Final = 20.0

Word = TypeVar("Word")


def one_of(flag: str, text: str, choices: Sequence[str]) -> str:
    """Accept a text only if it is one of some choices.

    Raises:
        UsageError: If it is not.
    """
    if text not in choices:
        raise UsageError(f"{flag} {text} is not one of {', '.join(choices)}")
    return text


def word_of(flag: str, literal: Any) -> Callable[[str], Any]:
    """Return a reader of the words of a ``Literal``."""
    return lambda text: one_of(flag, text, get_args(literal))


def number(flag: str, text: str) -> float:
    """Read a number.

    Raises:
        UsageError: If it is not a number.
    """
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{flag} {text} is not a number") from None


def lst_units(text: str) -> Any:
    """Read ``auto``, ``K`` or ``C``; None stands for ``auto``."""
    return None if text.lower() == "auto" else one_of("--lst-units", text.upper(), ("K", "C"))


def batch(text: str) -> int | Literal["auto"]:
    """Read ``auto`` or a number of tiles."""
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--batch {text} is neither 'auto' nor a number of at least 1")
    return int(text)


def coregistration(text: str) -> Coregistration:
    """Read ``none``, ``auto``, ``fitted`` or ``DX,DY`` in coarse pixels."""
    if text in ("none", "auto", "fitted"):
        return cast("Literal['none', 'auto', 'fitted']", text)
    try:
        columns, rows = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--coregister {text} is not one of none, auto, fitted, DX,DY") from None
    return _finite("--coregister", columns), _finite("--coregister", rows)


def point_spread(text: str) -> PointSpread:
    """Read ``auto``, ``none`` or a number of fine pixels."""
    if text in ("none", "auto"):
        return cast("Literal['none', 'auto']", text)
    try:
        sigma = float(text)
    except ValueError:
        raise UsageError(f"--psf {text} is not one of auto, none, SIGMA") from None
    if not 0 <= sigma <= _LARGEST_SIGMA:
        raise UsageError(f"--psf {text} must be between 0 and {_LARGEST_SIGMA:g} fine pixels")
    return sigma


def noise_level(text: str) -> NoiseLevel:
    """Read ``auto`` or a number of kelvin."""
    if text == "auto":
        return "auto"
    try:
        kelvin = float(text)
    except ValueError:
        raise UsageError(f"--noise {text} is neither 'auto' nor a number of kelvin") from None
    if not 0 <= kelvin <= _LARGEST_NOISE:
        raise UsageError(f"--noise {text} must be between 0 and {_LARGEST_NOISE:g} kelvin")
    return kelvin


def bounds(text: str) -> tuple[float, float, float, float]:
    """Read ``LEFT BOTTOM RIGHT TOP``."""
    numbers = [number("bounds", part) for part in text.split()]
    if len(numbers) != 4:
        raise UsageError(f"bounds {text!r} are not four numbers, LEFT BOTTOM RIGHT TOP")
    left, bottom, right, top = numbers
    return left, bottom, right, top


def _finite(flag: str, value: float) -> float:
    if not math.isfinite(value):
        raise UsageError(f"{flag} {value} is not a finite number")
    return value


def creation_option(text: str) -> tuple[str, str]:
    """Read a ``KEY=VAL`` pair."""
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise UsageError(f"--co {text} is not KEY=VAL")
    return key, value
