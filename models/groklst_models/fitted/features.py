"""Features of guidance, computed fine and averaged afterwards.

A model that is linear in such features means the same at both scales: the mean of an index over a
coarse pixel is what the coarse LST answers to, not the index of mean bands.
"""

from dataclasses import dataclass

from torch import Tensor

from groklst_models.bands import derivable, derive
from groklst_models.guidance import fill_within_coarse


@dataclass(frozen=True)
class Features:
    """The features of a scene's guidance: its bands, and every index that follows from them.

    Attributes:
        bands: Names of the guidance bands.
        scale: Fine pixels along a coarse one.
    """

    bands: tuple[str, ...]
    scale: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return (*self.bands, *derivable(self.bands))

    def fine(self, guide: Tensor) -> Tensor:
        """Compute ``(B, F, s·h, s·w)`` from ``(B, G, s·h, s·w)``; gaps take their coarse mean."""
        features = derive(guide, self.bands, self.names)
        return fill_within_coarse(features, self.scale)
