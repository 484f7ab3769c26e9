"""Area-to-point kriging of the LST alone.

P. C. Kyriakidis, "A geostatistical framework for area-to-point spatial interpolation", Geographical
Analysis 36(3), 2004. Fine temperatures are the best linear prediction from the coarse means, under
a covariance of points that is deconvolved from the coarse variogram; the coarse means are met.
"""

import numpy as np
import torch
from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.errors import FitError
from groklst_models.regression.kriging import Kriging


class ATPK(FittedMethod):
    """Krige the LST; guidance is not used.

    Attributes:
        kriging: With the covariance that was found.
        coarse: The scene's LST ``(H, W)`` less its mean, gaps predicted; kelvin.
        level: That mean, kelvin.
    """

    needs_guide = False
    uses_guide = False
    halo = 0

    kriging: Kriging
    coarse: Tensor
    level: float

    def __init__(self, *, scale: int) -> None:
        self.scale = scale

    def fit(self, scene: SceneView) -> None:
        """Read the LST, deconvolve its variogram and predict missing pixels.

        Raises:
            FitError: If no coarse pixel is valid.
        """
        lst = np.concatenate([block.lst[block.core] for block in scene.blocks()]).astype(np.float64)
        if np.isnan(lst).all():
            raise FitError(
                "atpk needs valid coarse pixels, but there are none; check the LST's nodata value"
            )
        self.kriging = Kriging.deconvolved(self.scale, lst)
        self.level = float(np.nanmean(lst))
        filled = torch.from_numpy(self.kriging.fill(lst - self.level))
        self.coarse = filled.float().to(scene.device)

    def predict(self, tiles: Tiles) -> Tensor:
        """Krige ``(B, 1, s·h, s·w)``, kelvin, from the scene's LST, not the tile's."""
        height, width = tiles.lst.shape[-2:]
        parts = [
            self.kriging.predict(self.coarse, slice(r, r + height), slice(c, c + width))
            for r, c in zip(tiles.rows, tiles.columns, strict=True)
        ]
        return torch.stack(parts)[:, None] + self.level
