"""Multi-band ridge regression of the LST on guidance, after the sharpening idea of TsHARP.

N. Agam et al., "A vegetation index based technique for spatial sharpening of thermal imagery",
Remote Sensing of Environment 107(4), 2007; A. E. Hoerl & R. W. Kennard, "Ridge regression",
Technometrics 12(1), 1970. The LST is regressed on all bands and indices at the coarse scale and the
regression is applied at the fine one and blurred by the sensor's point spread, which is estimated
from the scene; what it does not explain is restored by conserving the coarse means. Differs from
TsHARP in using every band, in averaging features after computing them, and in the blur.
"""

from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.guided_regression import GuidedRegression, checked_shrinkage
from groklst_models.regression.moments import Moments
from groklst_models.sampling.coverage import nothing_covered
from groklst_models.sampling.samples import coarse_samples
from groklst_models.sampling.sensor import estimate_sensor


class Ridge(GuidedRegression):
    """A linear function of bands and indices.

    Attributes:
        sensor: The point spread that was found.
        intercept: Kelvin, where every feature is at its mean.
        coefficients: ``(F,)``, kelvin for each standard deviation of a feature.
    """

    concurrent = True
    intercept: float
    coefficients: Tensor

    def __init__(self, *, scale: int, shrinkage: float = 1e-3) -> None:
        """Choose how much to shrink.

        Args:
            scale: Fine pixels along a coarse pixel.
            shrinkage: Ridge parameter as a share of the number of samples; features are
                standardised, so it means the same for every band. At least 0.

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
        self.features = self.features_of(scene)
        self.sensor = estimate_sensor(scene, self.features)
        moments = Moments()
        for samples in coarse_samples(scene, self.features, self.sensor):
            moments.add(samples.features, samples.lst)
        if moments.count == 0:
            raise nothing_covered()
        self.mean, self.std, self.intercept, self.coefficients = moments.solve(self.shrinkage)

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate at the fine scale; without guidance a pixel gets the mean. Kelvin."""
        assert tiles.guide is not None
        slopes = self.coefficients / self.std  # (F,) kelvin for each unit of a feature
        offset = self.intercept - float(self.mean @ slopes)
        return self.sensor.product.blur(
            self.features.weighed(tiles.guide, slopes, self.mean, offset)
        )
