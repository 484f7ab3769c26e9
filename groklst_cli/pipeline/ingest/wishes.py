"""Options of a user for products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from groklst_cli.errors import UsageError

_MOST_COEFFICIENTS: Final = 5
KINDS: Final = ("water", "snow")
"""Kinds of clear pixels that may be masked too."""


@dataclass(frozen=True)
class Wishes:
    """Options for products.

    Attributes:
        thermal_band: Which of several thermal bands; empty for the sensor's first.
        split_window: Coefficients a0 to a4 of a split window; empty for brightness temperature.
        emissivity: Of the two bands of a split window.
        unwanted: Kinds of clear pixels that are masked too.
    """

    thermal_band: str = ""
    split_window: tuple[float, ...] = ()
    emissivity: tuple[float, float] | None = None
    unwanted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: If a value is impossible.
        """
        count = len(self.split_window)
        if count and not 3 <= count <= _MOST_COEFFICIENTS:
            raise UsageError(
                f"--split-window has {count} coefficients, expected A0,A1,A2 or A0,A1,A2,A3,A4"
            )
        strange = [kind for kind in self.unwanted if kind not in KINDS]
        if strange:
            raise UsageError(
                f"--mask-also {strange[0]} is not one of {', '.join(KINDS)}; clouds are always "
                "masked"
            )
        if any(self.split_window[3:]) and self.emissivity is None:
            raise UsageError("--split-window has terms of emissivity; add --emissivity E2,E3")
        if self.emissivity is not None:
            if not self.split_window:
                raise UsageError("--emissivity needs --split-window; add its coefficients")
            if not all(0.5 <= value <= 1 for value in self.emissivity):
                raise UsageError("--emissivity E2,E3 must be in 0.5 … 1")
        if self.split_window and self.thermal_band:
            raise UsageError(
                "--split-window uses two bands, --thermal-band one; leave one of them out"
            )

    def band_of(self, product: str, there: Sequence[str]) -> str:
        """Choose a product's thermal band.

        Raises:
            UsageError: If it does not have the requested one.
        """
        if not self.thermal_band:
            return there[0]
        wanted = self.thermal_band.upper()
        names = [name for name in there if wanted in (name, name.removeprefix("B"))]
        if not names:
            raise UsageError(
                f"--thermal-band {self.thermal_band} is not a band of {product}, which has "
                f"{', '.join(there)}"
            )
        return names[0]
