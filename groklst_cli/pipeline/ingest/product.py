"""The content of a product, independent of the sensor."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groklst_cli.geo.masks import QualityRule
from groklst_cli.pipeline.ingest.layers import Layer

Quantity = Literal["land surface temperature", "brightness temperature"]

Stored = NDArray[np.generic]


@dataclass(frozen=True)
class Check:
    """A quality band and its meaning.

    Attributes:
        layer: The band.
        rule: Which of its values are clear.
        reasons: Why a pixel is not clear, by name: rules that such a pixel breaks.
        missing: The reason where the band has no value.
        kinds: Kinds of clear pixels that may be masked too, by name: rules that they break.
        unwanted: The kinds that the user masks.
    """

    layer: Layer
    rule: QualityRule
    reasons: Mapping[str, QualityRule]
    missing: str = "no quality value"
    kinds: Mapping[str, QualityRule] = field(default_factory=dict)
    unwanted: Mapping[str, QualityRule] = field(default_factory=dict)

    def clear(self, values: Stored, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which pixels can be used; pixels without a value cannot."""
        found = there & _looked_up(self.rule, values)
        for rule in self.unwanted.values():
            found &= _looked_up(rule, values)
        return found

    def against(self, values: Stored) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Return for every reason the pixels that it excludes."""
        for reason, rule in self.reasons.items():
            yield reason, ~_looked_up(rule, values)

    def without(self, kinds: Collection[str]) -> "Check":
        """Turn some kinds of pixels into reasons."""
        unwanted = {name: rule for name, rule in self.kinds.items() if name in kinds}
        kept = {name: rule for name, rule in self.kinds.items() if name not in kinds}
        return replace(self, reasons={**self.reasons, **unwanted}, unwanted=unwanted, kinds=kept)


def _looked_up(rule: QualityRule, values: Stored) -> NDArray[np.bool_]:
    """Apply a rule; for numbers of 8 and 16 bits through a table of all possible values."""
    bits = 8 * values.dtype.itemsize
    if values.dtype.kind not in "iu" or bits > 16 or values.size < 2**bits:
        return rule.clear(values)
    unsigned = np.dtype(f"uint{bits}")
    table = rule.clear(np.arange(2**bits, dtype=unsigned).view(values.dtype))
    found: NDArray[np.bool_] = table[values.view(unsigned)]
    return found


@dataclass(frozen=True)
class Thermal:
    """The thermal part of a product.

    Attributes:
        layers: What the temperature is made of, on one grid.
        kelvin: Converts stored values to kelvin, as float64; NaN where they are not temperatures.
        quantity: Which temperature it is.
        checks: Quality bands that say which pixels are clear.
        native: Pixel of the sensor, metres; None if it is the pixel of the grid.
        origin: Where values and constants come from, in words.
    """

    layers: tuple[Layer, ...]
    kelvin: Callable[[Sequence[Stored]], NDArray[np.float64]]
    quantity: Quantity
    checks: tuple[Check, ...] = ()
    native: float | None = None
    origin: str = ""


@dataclass(frozen=True)
class Guide:
    """A guidance band of a product.

    Attributes:
        name: Its name in groklst.
        layer: The band.
        scale: What stored values are multiplied by.
        offset: What is added then.
        quantity: The quantity, in words.
        checks: Quality bands that say which of its pixels are clear, on their own grids.
    """

    name: str
    layer: Layer
    scale: float
    offset: float
    quantity: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Product:
    """One product, of one time.

    Attributes:
        identifier: Its name by the provider.
        sensor: Platform and instrument.
        level: How far it is processed.
        moment: Time of acquisition; without a time of day if only the day is known.
        has_time: Whether the time of day is known.
        place: Tile, or path and row; empty where it has no such name.
        part: What distinguishes it from others of the same time, as ``day`` and ``night``.
        thermal: Its temperature, or None.
        guides: Its guidance bands.
        files: What was read of it.
        notes: Messages for the user, one line each.
    """

    identifier: str
    sensor: str
    level: str
    moment: datetime | None
    has_time: bool
    place: str = ""
    part: str = ""
    thermal: Thermal | None = None
    guides: tuple[Guide, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
