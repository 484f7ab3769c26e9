"""Nearest neighbour: every fine pixel has its coarse pixel's value.

J. A. Parker, R. V. Kenyon & D. E. Troxel, "Comparison of interpolating methods for image
resampling", IEEE Transactions on Medical Imaging 2(1), 1983. Nothing is added and coarse means are
exact, so it is a baseline for comparisons, not a useful map.
"""

from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles


class Nearest(FittedMethod):
    """Repeat the LST; guidance is not used."""

    needs_guide = False
    uses_guide = False
    concurrent = True
    halo = 0

    def __init__(self, *, scale: int) -> None:
        self.scale = scale

    def fit(self, scene: SceneView) -> None:
        """Do nothing: there is nothing to choose."""

    def predict(self, tiles: Tiles) -> Tensor:
        """Repeat ``(B, 1, h, w)`` to ``(B, 1, s·h, s·w)``, kelvin."""
        rows = tiles.lst.repeat_interleave(self.scale, dim=-2)
        return rows.repeat_interleave(self.scale, dim=-1)
