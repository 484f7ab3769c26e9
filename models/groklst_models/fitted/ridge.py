"""Multi-band ridge regression of the LST on guidance, after the sharpening idea of TsHARP.

N. Agam et al., "A vegetation index based technique for spatial sharpening of thermal imagery",
Remote Sensing of Environment 107(4), 2007; A. E. Hoerl & R. W. Kennard, "Ridge regression",
Technometrics 12(1), 1970. The LST is regressed on all bands and indices at the coarse scale and the
regression is applied at the fine one and blurred by the sensor's point spread, which is estimated
from the scene; what it does not explain is restored by conserving the coarse means. Differs from
TsHARP in using every band, in averaging features after computing them, and in the blur.
"""

from typing import ClassVar

import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.errors import FitError
from groklst_models.fitted.features import Features
from groklst_models.fitted.samples import coarse_samples
from groklst_models.fitted.sensor import Sensor, estimate_sensor


class Ridge:
    """A linear function of bands and indices.

    Attributes:
        sensor: The point spread that was found.
        intercept: Kelvin, where every feature is at its mean.
        coefficients: ``(F,)``, kelvin for each standard deviation of a feature.
    """

    needs_guide: ClassVar[bool] = True
    uses_guide: ClassVar[bool] = True
    multiple_of = 1
    pools_tile = False

    sensor: Sensor
    intercept: float
    coefficients: Tensor

    def __init__(self, *, scale: int, shrinkage: float = 1e-3) -> None:
        """Choose how much to shrink.

        Args:
            scale: Fine pixels along a coarse one.
            shrinkage: Ridge parameter as a share of the number of samples; features are
                standardised, so it means the same for every band. At least 0.

        Raises:
            ValueError: If the shrinkage is negative.
        """
        if shrinkage < 0:
            raise ValueError(f"shrinkage is {shrinkage}, it must not be negative")
        self.scale, self.shrinkage = scale, shrinkage

    @property
    def halo(self) -> int:
        """Coarse pixels that the blur reaches."""
        return self.sensor.halo

    def fit(self, scene: SceneView) -> None:
        """Solve the normal equations, which are summed in one pass over the scene.

        Raises:
            FitError: If there is no guidance, or no coarse pixel where LST and guidance meet.
        """
        if not scene.bands:
            raise FitError("ridge needs at least one guidance band; add --guide FILE")
        self.features = Features(tuple(scene.bands), self.scale)
        self.sensor = estimate_sensor(scene, self.features)
        moments = _Moments(len(self.features.names))
        for samples in coarse_samples(scene, self.features, self.sensor):
            moments.add(samples.features, samples.lst)
        if moments.count == 0:
            raise FitError(
                "no coarse pixel has both a valid LST and guidance over half of it; "
                "check that the guides cover the LST"
            )
        self.mean, self.std, self.intercept, self.coefficients = moments.solve(self.shrinkage)

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate at the fine scale; without guidance a pixel gets the mean. Kelvin."""
        assert tiles.guide is not None
        fine = self.features.fine(tiles.guide)
        slopes = self.coefficients / self.std  # (F,) kelvin for each unit of a feature
        offset = self.intercept - float(self.mean @ slopes)
        filled = torch.where(torch.isnan(fine), self.mean.to(fine)[:, None, None], fine)
        sharp = torch.einsum("bfhw,f->bhw", filled, slopes.to(fine))[:, None] + offset
        return self.sensor.blur(sharp)


class _Moments:
    """Sums from which a regression follows, shifted by the first block's means for precision."""

    def __init__(self, features: int) -> None:
        self.count = 0
        self._shift = torch.zeros(features + 1, dtype=torch.float64)
        self._sum = torch.zeros(features + 1, dtype=torch.float64)
        self._products = torch.zeros(features + 1, features + 1, dtype=torch.float64)

    def add(self, features: Tensor, lst: Tensor) -> None:
        if len(lst) == 0:
            return
        rows = torch.cat([features, lst[:, None]], dim=1)
        if self.count == 0:
            self._shift = rows.mean(dim=0)
        rows = rows - self._shift
        self.count += len(rows)
        self._sum += rows.sum(dim=0)
        self._products += rows.T @ rows

    def solve(self, shrinkage: float) -> tuple[Tensor, Tensor, float, Tensor]:
        """Return the features' means and standard deviations, the intercept, the coefficients."""
        mean = self._sum / self.count
        covariance = self._products / self.count - torch.outer(mean, mean)
        mean = mean + self._shift
        std = covariance.diagonal()[:-1].clamp(min=0).sqrt()
        varies = std > 1e-9 * mean[:-1].abs().clamp(min=1e-9)
        std = torch.where(varies, std, 1.0)
        scaled = covariance[:-1, :-1] / torch.outer(std, std)
        target = torch.where(varies, covariance[:-1, -1] / std, 0.0)
        identity = torch.eye(len(std), dtype=torch.float64)
        # A constant band explains nothing: its row becomes the identity's, its coefficient 0.
        scaled = torch.where(torch.outer(varies, varies), scaled, 0.0)
        penalty = identity * (shrinkage + (~varies).double() + 1e-12)
        coefficients = torch.linalg.solve(scaled + penalty, target)
        return mean[:-1], std, float(mean[-1]), coefficients
