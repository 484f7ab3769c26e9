"""Holding back: a share of a method's detail, about smooth interpolation."""

from dataclasses import dataclass
from typing import Final

from torch import Tensor

from groklst_models.contract import Tiles
from groklst_models.sampling.interpolation import upsample_cubic

_OF_THE_MAP: Final = 0.85
"""Share of the gain in a rehearsal that maps have: ``benchmarks/promises.py`` measures it."""


@dataclass(frozen=True)
class KeptShare:
    """How much of what a method adds to interpolation is kept.

    Attributes:
        share: 0 to 1.
    """

    share: float

    def of(self, fine: Tensor, tiles: Tiles) -> Tensor:
        """Return what is kept of an answer ``(B, 1, s·h, s·w)``, kelvin."""
        if self.share == 1:
            return fine
        scale = fine.shape[-1] // tiles.lst.shape[-1]
        return upsample_cubic(tiles.lst, scale).mul_(1 - self.share).add_(fine, alpha=self.share)


def in_words(share: float, gain: float, pixels: int) -> str:
    """Say what a rehearsal showed.

    Args:
        share: Of the detail that is kept.
        gain: By which the RMSE lay below interpolation's.
        pixels: On how many coarse pixels that was measured.
    """
    said = (
        f"predicting {pixels} coarse pixels from ones twice as coarse, its RMSE was {gain:.0%} "
        f"below interpolation's; expect about {_OF_THE_MAP * gain:.0%} of the map"
    )
    if share == 1:
        return said
    return f"{said}; {share:.0%} of the detail is kept, for more of it was not surely borne out"
