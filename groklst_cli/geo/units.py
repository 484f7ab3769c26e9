"""The unit of an LST's values: from the option, from tags, or from the range of values."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import BandSource, typed
from groklst_cli.geo.quantity_names import other_than_temperature
from groklst_cli.geo.unit_names import Units

CELSIUS_ZERO: Final = 273.15
"""0 °C in kelvin (BIPM SI brochure)."""

_RANGES: Final[dict[Units, tuple[float, float]]] = {
    "K": (150.0, 600.0),  # from the coldest cloud tops to fires
    "C": (-110.0, 120.0),
}
_LIKELY: Final[dict[Units, tuple[float, float, float, float]]] = {
    "K": (180.0, 420.0, 220.0, 345.0),
    "C": (-90.0, 110.0, -55.0, 65.0),
}
"""Smallest and largest value, smallest and largest mean of ordinary scenes."""

_INDEX: Final = (-1.0, 1.5)
"""The range of indices, reflectances, emissivities and masks."""

_SCALINGS: Final[dict[Units, tuple[tuple[float, float, str], ...]]] = {
    "K": (
        (0.1, 0, "kelvin × 10"),
        (0.01, 0, "kelvin × 100"),
        (0.02, 0, "MODIS's steps of 0.02 K"),
        (0.00341802, 149, "Landsat's Collection 2 numbers"),
    ),
    "C": (
        (0.1, 0, "°C × 10"),
        (0.01, 0, "°C × 100"),
    ),
}
"""Common scales and offsets, and the names of values with them."""

_FAHRENHEIT: Final = (0.55555556, -17.777778, "°F")
_WORDS: Final[dict[str, Units]] = {
    **dict.fromkeys(("k", "kelvin", "kelvins"), "K"),
    **dict.fromkeys(("c", "℃", "celsius", "centigrade"), "C"),
}
_FAHRENHEIT_WORDS: Final = ("f", "℉", "fahrenheit")
_SILENT: Final = ("", "1", "none", "null", "unknown", "unitless", "dimensionless", "n/a", "na", "-")


def units_of(word: str) -> Units | None:
    """Return the unit that a tag means; None if it is neither kelvin nor °C."""
    return _WORDS.get(_letters(word))


def _letters(word: str) -> str:
    letters = re.sub(r"[\s_.\-]+", "", word.lower())
    return re.sub(r"^(degrees?|degs?|°)", "", letters)


def without_factor(word: str) -> str:
    """Remove the factor from a unit tag such as ``kelvin*10``."""
    return re.sub(r"\s*[*x×/]\s*[\d.]+\s*$|^\s*[\d.]+\s*[*x×]?\s*(?=[^\W\d])", "", word)


@dataclass(frozen=True)
class UnitEvidence:
    """The evidence for an LST's unit.

    Attributes:
        source: The file, as it was named.
        words: What tags say about the unit.
        names: What file and band are called.
        low: The least value, after scale and offset.
        high: The greatest.
        mean: Their mean.
        is_scaled: Whether scale and offset were applied.
        is_count: Whether values are stored as whole numbers and used without scaling.
    """

    source: BandSource
    words: Sequence[str]
    names: Sequence[str]
    low: float
    high: float
    mean: float
    is_scaled: bool = False
    is_count: bool = False

    @property
    def said(self) -> str:
        """The file and its range, in words."""
        return f"{self.source.path} holds values from {self.low:.6g} to {self.high:.6g}"

    def fits(self, units: Units) -> bool:
        """Tell whether all values are possible in a unit."""
        least, most = _RANGES[units]
        return least <= self.low and self.high <= most

    def is_likely(self, units: Units, scale: float = 1.0, offset: float = 0.0) -> bool:
        """Tell whether the values, scaled once more, are those of an ordinary scene."""
        least, most, least_mean, most_mean = _LIKELY[units]
        low, mean, high = (value * scale + offset for value in (self.low, self.mean, self.high))
        return least <= low and high <= most and least_mean <= mean <= most_mean

    @property
    def is_temperature(self) -> bool:
        """Whether the values as they stand are those of an ordinary scene in either unit."""
        return self.is_likely("K") or self.is_likely("C")

    def scalings(self, among: Sequence[Units] = ("K", "C")) -> list[str]:
        """List the scalings that would make the values ordinary temperatures, as they are typed."""
        if self.is_scaled:
            return []
        found = [
            next((way for way in ways if self.is_likely(units, *way[:2])), None)
            for units, ways in _SCALINGS.items()
            if units in among
            if self.is_count or not (self.fits("K") or self.fits("C"))
        ]
        if (
            among == ("K", "C")
            and self.mean > _LIKELY["C"][3]
            and self.is_likely("C", *_FAHRENHEIT[:2])
        ):
            found.append(_FAHRENHEIT)
        return [
            f"{typed(replace(self.source, name=None, scaling=way[:2]))} if they are {way[2]}"
            for way in found
            if way is not None
        ]


def settle_units(asked: Units | None, known: UnitEvidence) -> tuple[Units, str]:
    """Find the unit of an LST, and check that its values are possible in it.

    Args:
        asked: What the user says.
        known: What the file says.

    Returns:
        The unit, and its source: ``"option"``, ``"tags"`` or ``"values"``.

    Raises:
        InputError: If it cannot be found, or values and tags contradict each other.
    """
    if asked is not None:
        _refuse_outside(known, asked, "--lst-units")
        return asked, "option"
    tagged = _tagged(known)
    if tagged is not None:
        _refuse_outside(known, tagged, "its unit tag")
        return tagged, "tags"
    _refuse_zeros(known)
    _refuse_other_quantities(known)
    return _guessed(known), "values"


def _guessed(known: UnitEvidence) -> Units:
    """Guess the unit if the values are possible in only one."""
    units = next((units for units in _RANGES if known.fits(units)), None)
    if units is None:
        raise InputError(f"{known.said}, which are not clearly kelvin or °C; {_ways(known)}")
    name = "kelvin" if units == "K" else "°C"
    others = "".join(f", or write {way}" for way in known.scalings())
    if known.is_count:
        raise InputError(
            f"{known.said}, whole numbers without a unit or a scale; add --lst-units {units} if "
            f"they are {name}{others}"
        )
    if not known.is_likely(units):
        raise InputError(
            f"{known.said} with a mean of {known.mean:.4g}, which is unusual for {name}; add "
            f"--lst-units {units} if it is correct{others}"
        )
    return units


def _refuse_zeros(known: UnitEvidence) -> None:
    path = known.source.path
    if known.low == known.high == 0:
        file = shlex.quote(path)
        raise InputError(
            f"{path} holds only 0, which looks like a nodata value that is not declared; declare "
            f"it with: rio edit-info --nodata 0 {file}, or add --lst-units C if it is correct"
        )


def _refuse_other_quantities(known: UnitEvidence) -> None:
    """Refuse bands whose name or values are not those of a temperature."""
    called = next(filter(None, map(other_than_temperature, known.names)), None)
    is_index = _INDEX[0] <= known.low and known.high <= _INDEX[1]
    if called is None and not is_index:
        return
    why = f"is called {called}" if called else "looks like an index or a reflectance"
    ways = " or ".join(units for units in _RANGES if known.fits(units))
    or_else = f", or add --lst-units {ways} if these are temperatures" if ways else ""
    raise InputError(
        f"{known.said} and {why}, not like a temperature; name the file or band of the LST{or_else}"
    )


def _ways(known: UnitEvidence, among: Sequence[Units] = ("K", "C")) -> str:
    """Say what to type for values that fit no unit, or not the stated one."""
    if found := known.scalings(among):
        return f"write {', or '.join(found)}"
    return (
        "if one value stands for pixels without a value, name it with --src-nodata V; if the "
        "values are scaled, state the scaling, as in "
        f"{typed(replace(known.source, name=None, scaling=(0.02, 0.0)))}"
    )


def _tagged(known: UnitEvidence) -> Units | None:
    path = known.source.path
    said = sorted({word for word in known.words if word.strip().lower() not in _SILENT})
    found = {units_of(word) for word in said}
    if len(found) > 1:
        raise InputError(
            f"the unit tags of {path} contradict each other: {', '.join(map(repr, said))}; state "
            "the right one with --lst-units K or C"
        )
    if None in found:
        raise InputError(
            f"the unit tag of {path} says {said[0]!r}, which is neither kelvin nor °C; "
            f"{_converting(known, said[0])}, or add --lst-units K or C if the tag is wrong"
        )
    return found.pop() if found else None


def _converting(known: UnitEvidence, word: str) -> str:
    """Say how to convert values in another unit to kelvin or °C."""
    if _letters(word) in _FAHRENHEIT_WORDS and not known.is_scaled:
        source = replace(known.source, name=None, scaling=_FAHRENHEIT[:2])
        return f"write {typed(source)} with --lst-units C"
    found = known.scalings() if units_of(without_factor(word)) else []
    return f"write {', or '.join(found)}" if found else "convert the values"


def _refuse_outside(known: UnitEvidence, units: Units, says: str) -> None:
    if known.fits(units):
        return
    least, most = _RANGES[units]
    other: Units = "C" if units == "K" else "K"
    way = f"add --lst-units {other}" if known.fits(other) else _ways(known, [units])
    raise InputError(
        f"{known.said}, but {says} says {units}, which allows {least:g} to {most:g}; {way}"
    )
