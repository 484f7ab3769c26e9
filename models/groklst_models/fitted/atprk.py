"""Area-to-point regression kriging.

Q. Wang, W. Shi, P. M. Atkinson & Y. Zhao, "Downscaling MODIS images with area-to-point regression
kriging", Remote Sensing of Environment 166, 2015. A linear regression on guidance gives the trend,
and its coarse residual is downscaled by area-to-point kriging, under a covariance
deconvolved from its variogram; the coarse means are met. Differs in averaging features after
computing them, in regressing detail on detail, and in the sensor's blur.
"""

import numpy as np
import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.guided_regression import GuidedRegression, checked_shrinkage
from groklst_models.regression.kriging import Kriging
from groklst_models.regression.polynomial import Polynomial
from groklst_models.sampling.sensor import estimate_sensor
from groklst_models.sampling.standardization import Standardization


class ATPRK(GuidedRegression):
    """A linear function of bands and indices, and a kriged residual.

    Attributes:
        sensor: The point spread that was found.
        polynomial: The function that was found.
        kriging: With the covariance of the residual.
        residual: ``(H, W)``, the residual of the function, gaps predicted; kelvin.
    """

    polynomial: Polynomial
    kriging: Kriging
    residual: Tensor

    def __init__(self, *, scale: int, shrinkage: float = 0.03) -> None:
        """Choose how much to shrink.

        Args:
            scale: Fine pixels along a coarse pixel.
            shrinkage: Ridge parameter for one sample per feature; it falls with the number of
                samples. At least 0.

        Raises:
            ValueError: If the shrinkage is negative.
        """
        super().__init__(scale)
        self.shrinkage = checked_shrinkage(shrinkage)

    def fit(self, scene: SceneView) -> None:
        """Read the scene twice: for the regression, and for its residual.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        features = self.features_of(scene)
        self.sensor = estimate_sensor(scene, features)
        standard = Standardization.of(scene, features)
        self.polynomial = Polynomial.fit(
            scene, standard, self.sensor, degree=1, shrinkage=self.shrinkage
        )
        parts = self.polynomial.residuals(scene, self.sensor)
        residual = torch.cat([part.lst for part in parts]).double().cpu().numpy()
        self.kriging = Kriging.deconvolved(self.scale, residual)
        filled = torch.from_numpy(self.kriging.fill(residual).astype(np.float32))
        self.residual = filled.to(scene.device)

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate the function at the fine scale, blur, add the kriged residual; kelvin."""
        assert tiles.guide is not None
        height, width = tiles.lst.shape[-2:]
        fine = self.polynomial.standard.fine(tiles.guide)
        kriged = [
            self.kriging.predict(self.residual, slice(r, r + height), slice(c, c + width))
            for r, c in zip(tiles.rows, tiles.columns, strict=True)
        ]
        return self.sensor.product.blur(self.polynomial.evaluate(fine)).add_(
            torch.stack(kriged)[:, None]
        )
