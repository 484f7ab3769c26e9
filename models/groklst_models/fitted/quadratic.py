"""Quadratic ridge regression of the LST on guidance.

W. P. Kustas et al., "Estimating subpixel surface temperatures and energy fluxes from the vegetation
index–radiometric temperature relationship", Remote Sensing of Environment 85(4), 2003 (a quadratic
in NDVI); A. E. Hoerl & R. W. Kennard, "Ridge regression", Technometrics 12(1), 1970. The LST is
regressed on all bands and indices, their squares and their products, so that the answer to one may
depend on another. Differs from the paper in using every band, in multiplying at the fine scale and
averaging afterwards, in the sensor's blur, and in clipping features at four standard deviations,
because a parabola must not be extrapolated.
"""

from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.guided_regression import GuidedRegression, checked_shrinkage
from groklst_models.regression.polynomial import Polynomial
from groklst_models.sampling.sensor import estimate_sensor
from groklst_models.sampling.standardization import Standardization


class Quadratic(GuidedRegression):
    """A quadratic function of standardised bands and indices.

    Attributes:
        sensor: The point spread that was found.
        polynomial: The function that was found.
    """

    concurrent = True
    polynomial: Polynomial

    def __init__(self, *, scale: int, shrinkage: float = 0.03) -> None:
        """Choose how much to shrink.

        Args:
            scale: Fine pixels along a coarse pixel.
            shrinkage: Ridge parameter for one sample per product; it falls with the number of
                samples. At least 0.

        Raises:
            ValueError: If the shrinkage is negative.
        """
        super().__init__(scale)
        self.shrinkage = checked_shrinkage(shrinkage)

    def fit(self, scene: SceneView) -> None:
        """Solve the normal equations, which are summed in one pass over the scene.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        features = self.features_of(scene)
        self.sensor = estimate_sensor(scene, features)
        standard = Standardization.of(scene, features)
        self.polynomial = Polynomial.fit(
            scene, standard, self.sensor, degree=2, shrinkage=self.shrinkage
        )

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate at the fine scale, then blur; without guidance a feature is at its mean."""
        assert tiles.guide is not None
        fine = self.polynomial.standard.fine(tiles.guide)
        return self.sensor.product.blur(self.polynomial.evaluate(fine))
