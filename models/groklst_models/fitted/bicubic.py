"""Cubic convolution.

R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on
Acoustics, Speech, and Signal Processing 29(6), 1981. A cubic that interpolates the coarse pixels
and matches central differences, so that quadratics are reproduced. The kernel's parameter is Keys'
-1/2 (GDAL's and MATLAB's; torch uses -3/4, which does not reproduce even a plane); beyond the
scene's edge the LST is continued by reflection through the edge pixel, so a plane stays a plane.
"""

from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.sampling.interpolation import upsample_cubic


class Bicubic(FittedMethod):
    """Interpolate the LST; guidance is not used."""

    needs_guide = False
    uses_guide = False
    concurrent = True
    halo = 2

    def __init__(self, *, scale: int) -> None:
        self.scale = scale

    def fit(self, scene: SceneView) -> None:
        """Do nothing: the kernel is fixed."""

    def predict(self, tiles: Tiles) -> Tensor:
        """Interpolate ``(B, 1, h, w)`` to ``(B, 1, s·h, s·w)``, kelvin."""
        return upsample_cubic(tiles.lst, self.scale)
