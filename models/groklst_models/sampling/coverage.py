"""The share of a coarse pixel that guidance must cover for the pixel to be used in a fit."""

from typing import Final

from groklst_models.errors import FitError

LEAST_COVERED: Final = 0.5
"""Share of a coarse pixel."""


def nothing_covered() -> FitError:
    """Return an error that says that no coarse pixel can be used in a fit."""
    return FitError(
        "no coarse pixel has both a valid LST and guides over at least half of it; check that "
        "the guides cover the LST"
    )
