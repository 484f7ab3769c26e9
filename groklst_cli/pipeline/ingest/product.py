"""What a product holds, in terms that no sensor has to itself."""

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
    """A quality band, and what it says.

    Attributes:
        layer: The band.
        rule: Which of its values are clear.
        reasons: Why a pixel is not, by name: rules that such a pixel breaks.
        missing: What to call it where the band has no value.
        kinds: What a clear pixel may be that some do not want, by name: rules that it breaks.
        unwanted: Those of them that a user does not want.
    """

    layer: Layer
    rule: QualityRule
    reasons: Mapping[str, QualityRule]
    missing: str = "no quality value"
    kinds: Mapping[str, QualityRule] = field(default_factory=dict)
    unwanted: Mapping[str, QualityRule] = field(default_factory=dict)

    def clear(self, values: Stored, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which pixels can be used; one without a value cannot."""
        found = there & _looked_up(self.rule, values)
        for rule in self.unwanted.values():
            found &= _looked_up(rule, values)
        return found

    def against(self, values: Stored) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Tell for every reason which pixels it speaks against."""
        for reason, rule in self.reasons.items():
            yield reason, ~_looked_up(rule, values)

    def without(self, kinds: Collection[str]) -> "Check":
        """Let some kinds of pixels be reasons."""
        unwanted = {name: rule for name, rule in self.kinds.items() if name in kinds}
        kept = {name: rule for name, rule in self.kinds.items() if name not in kinds}
        return replace(self, reasons={**self.reasons, **unwanted}, unwanted=unwanted, kinds=kept)


def _looked_up(rule: QualityRule, values: Stored) -> NDArray[np.bool_]:
    """Ask a rule; for numbers of 8 and 16 bits once about each that there can be."""
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
        kelvin: Makes kelvin of stored values, as float64; NaN where they are no temperature.
        quantity: Which temperature it is.
        checks: What says which pixels are clear.
        native: Metres along what the sensor saw at once; None where it is the grid's pixel.
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
        name: What commands call it.
        layer: The band.
        scale: What stored values are multiplied by.
        offset: What is added then.
        quantity: What it is then, in words.
        checks: What says which of its pixels are clear, on grids of their own.
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
        identifier: What its provider calls it.
        sensor: Platform and instrument.
        level: How far it is processed.
        moment: When it was seen; with no time of day where only the day is known.
        has_time: Whether the time of day is known.
        place: Tile, or path and row; empty where it has no such name.
        part: What tells it from others of the same time, as ``day`` and ``night``.
        thermal: Its temperature, or None.
        guides: Its guidance bands.
        files: What was read of it.
        notes: What a person should know, a line each.
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
