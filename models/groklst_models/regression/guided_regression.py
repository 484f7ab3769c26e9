"""What all regressions of the LST on guidance have in common."""

from groklst_models.contract import FittedMethod, SceneView
from groklst_models.errors import lacks_guidance
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import Sensor


class GuidedRegression(FittedMethod):
    """The part of the method's contract that does not depend on the regression.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        sensor: The point spread; none before the fit.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.sensor = Sensor(scale)

    @property
    def halo(self) -> int:
        """Coarse pixels that the blur reaches."""
        return self.sensor.halo

    @property
    def point_spread(self) -> float:
        """Standard deviation of the point spread, fine pixels."""
        return self.sensor.sigma

    @property
    def product_spread(self) -> float:
        """Standard deviation of the blur of answers, fine pixels."""
        return self.sensor.product.sigma

    def features_of(self, scene: SceneView) -> Features:
        """Return the features of a scene's guidance.

        Raises:
            FitError: If it has none.
        """
        if not scene.bands:
            raise lacks_guidance(type(self).__name__)
        return Features(tuple(scene.bands), self.scale)


def checked_shrinkage(shrinkage: float) -> float:
    """Check that a ridge parameter is not negative.

    Raises:
        ValueError: If it is negative.
    """
    if shrinkage < 0:
        raise ValueError(f"shrinkage is {shrinkage}, expected 0 or more")
    return shrinkage
