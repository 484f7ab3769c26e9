"""Bilinear interpolation.

P. R. Smith, "Bilinear interpolation of digital images", Ultramicroscopy 6(2), 1981. The LST between
the centres of four coarse pixels is linear along rows and along columns. Fine pixels lie where the
grid puts them, half a pixel from the edge; beyond the outermost centres the LST is continued by
reflection through the edge pixel (tools repeat it), so a plane stays a plane.
"""

from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.sampling.interpolation import upsample_linear


class Bilinear(FittedMethod):
    """Interpolate the LST; guidance is not used."""

    needs_guide = False
    uses_guide = False
    concurrent = True
    halo = 1

    def __init__(self, *, scale: int) -> None:
        self.scale = scale

    def fit(self, scene: SceneView) -> None:
        """Do nothing: the kernel is fixed."""

    def predict(self, tiles: Tiles) -> Tensor:
        """Interpolate ``(B, 1, h, w)`` to ``(B, 1, s·h, s·w)``, kelvin."""
        return upsample_linear(tiles.lst, self.scale)
