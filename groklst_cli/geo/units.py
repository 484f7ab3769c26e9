"""Which unit an LST's values are in: what was asked for, what tags say, what values allow."""

import re
from collections.abc import Iterable
from typing import Final, Literal

from groklst_cli.errors import InputError

Units = Literal["K", "C"]

CELSIUS_ZERO: Final = 273.15
"""0 °C in kelvin (BIPM SI brochure)."""

_RANGES: Final[dict[Units, tuple[float, float]]] = {
    "K": (150.0, 600.0),  # from the coldest cloud tops to fires
    "C": (-110.0, 120.0),
}
_WORDS: Final[dict[str, Units]] = {
    **dict.fromkeys(("k", "kelvin", "kelvins"), "K"),
    **dict.fromkeys(("c", "℃", "celsius", "centigrade"), "C"),
}
_SILENT: Final = ("", "1", "none", "null", "unknown", "unitless", "dimensionless", "n/a", "na", "-")


def units_of(word: str) -> Units | None:
    """Tell what a tag's word for a unit means; None if it means neither kelvin nor °C."""
    letters = re.sub(r"[\s_.\-]+", "", word.lower())
    return _WORDS.get(re.sub(r"^(degrees?|degs?|°)", "", letters))


def without_factor(word: str) -> str:
    """Take the factor from a word for a stored unit, as in ``kelvin*10``."""
    return re.sub(r"\s*[*x×/]\s*[\d.]+\s*$|^\s*[\d.]+\s*[*x×]?\s*(?=[^\W\d])", "", word)


def settle_units(
    path: str, asked: Units | None, words: Iterable[str], low: float, high: float
) -> tuple[Units, str]:
    """Find the unit of an LST and make sure that its values can be of it.

    Args:
        path: The file, for messages.
        asked: What the user says.
        words: What the file's tags say.
        low: The least value.
        high: The greatest value.

    Returns:
        The unit, and how it became known: ``"option"``, ``"tags"`` or ``"values"``.

    Raises:
        InputError: If it cannot be told, or values and words contradict each other.
    """
    if asked is not None:
        _refuse_outside(path, low, high, asked, "--lst-units")
        return asked, "option"
    tagged = _tagged(path, words)
    if tagged is not None:
        _refuse_outside(path, low, high, tagged, "its unit tag")
        return tagged, "tags"
    if low == high == 0:
        raise InputError(
            f"{path} holds nothing but 0, which looks like a nodata value that is not declared; "
            f"declare it with: rio edit-info --nodata 0 {path}, or say --lst-units C if it is true"
        )
    for units, (least, most) in _RANGES.items():
        if least <= low and high <= most:
            return units, "values"
    raise InputError(
        f"{path} holds values from {low:g} to {high:g}, which is neither kelvin nor °C "
        "for sure; add --lst-units K or C, or set the file's nodata, scale and offset"
    )


def _tagged(path: str, words: Iterable[str]) -> Units | None:
    said = sorted({word for word in words if word.strip().lower() not in _SILENT})
    found = {units_of(word) for word in said}
    if len(found) > 1:
        raise InputError(
            f"the unit tags of {path} contradict each other: {', '.join(map(repr, said))}; "
            "say which is right with --lst-units K or C"
        )
    if None in found:
        raise InputError(
            f"the unit tag of {path} says {said[0]!r}, which is neither kelvin nor °C; "
            "convert the values, or say --lst-units K or C if the tag is wrong"
        )
    return found.pop() if found else None


def _refuse_outside(path: str, low: float, high: float, units: Units, says: str) -> None:
    least, most = _RANGES[units]
    if low < least or high > most:
        raise InputError(
            f"{path} holds values from {low:g} to {high:g}, but {says} says {units}, "
            f"which allows {least:g} to {most:g}; "
            "set the file's nodata, scale and offset, or give --lst-units"
        )
