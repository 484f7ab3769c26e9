"""How much of a coarse pixel guidance must cover for the pixel to be learned from."""

from typing import Final

from groklst_models.errors import FitError

LEAST_COVERED: Final = 0.5
"""Share of a coarse pixel."""


def nothing_covered() -> FitError:
    """Say that no coarse pixel can be learned from."""
    return FitError(
        "no coarse pixel has both a valid LST and guides over at least half of it; check that "
        "the guides cover the LST"
    )
