"""A function for the scene and linear departures from it, in a moving window.

All moments are convolutions, so the cost is linear in the scene's size. The method ``local`` and
the default are built on it.
"""

import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.detail_regression import NEIGHBOURHOOD
from groklst_models.regression.guided_regression import GuidedRegression
from groklst_models.regression.polynomial import Degree, Polynomial
from groklst_models.sampling.aggregation import CoarseRows
from groklst_models.sampling.features import Features
from groklst_models.sampling.interpolation import upsample_linear
from groklst_models.sampling.neighbourhood import Neighbourhood, with_surroundings
from groklst_models.sampling.sensor import Sensor, estimate_sensor
from groklst_models.sampling.standardization import Standardization


class LocalRegression(GuidedRegression):
    """A function of bands and indices for the scene, and linear departures from it.

    Attributes:
        sensor: The point spread that was found.
        polynomial: The function for the whole scene.
        departures: ``(F + 1, H, W)`` on the coarse grid: kelvin for each standard deviation of a
            feature, and kelvin where every feature is at its mean.
    """

    concurrent = True
    polynomial: Polynomial
    departures: Tensor

    def __init__(
        self,
        *,
        scale: int,
        window: float = 2.0,
        degree: Degree = 2,
        shrinkage: float = 0.03,
        straight: float = 0.0,
    ) -> None:
        """Choose the window.

        Args:
            scale: Fine pixels along a coarse pixel.
            window: Standard deviation of the Gaussian weights, coarse pixels; above 0.
            degree: Of the function for the whole scene.
            shrinkage: Ridge parameter of the departures, as a share of a full window's weight, and
                of the function for the whole scene, for one sample a coefficient. Above 0.
            straight: Weight of the linear function in one of the second degree, 0 to 1.

        Raises:
            ValueError: If window or shrinkage are not positive, or the degree is neither 1 nor 2.
        """
        if window <= 0 or shrinkage <= 0:
            raise ValueError(f"window is {window}, shrinkage {shrinkage}, expected both above 0")
        if degree not in (1, 2):
            raise ValueError(f"degree is {degree}, expected 1 or 2")
        super().__init__(scale)
        self.degree, self.shrinkage, self.straight = degree, shrinkage, straight
        self._window = Neighbourhood(window)

    def fit(self, scene: SceneView) -> None:
        """Read the scene twice: for the function, and for the departures from it.

        Raises:
            FitError: If there is no guidance, or no coarse pixel with both LST and guidance.
        """
        features = self.features_of(scene)
        self.fit_through(scene, features, estimate_sensor(scene, features))

    def fit_through(self, scene: SceneView, features: Features, sensor: Sensor) -> None:
        """Fit where the point spread is known already.

        Raises:
            FitError: If there is no coarse pixel with both LST and guidance.
        """
        self.sensor = sensor
        self.polynomial = Polynomial.fit(
            scene,
            Standardization.of(scene, features),
            self.sensor,
            degree=self.degree,
            shrinkage=self.shrinkage,
            straight=self.straight,
        )
        reach = NEIGHBOURHOOD.reach + self._window.reach
        unexplained = with_surroundings(self.polynomial.residuals(scene, self.sensor), reach)
        bands = [
            self._solve(rows)[:, due.start - rows.row : due.stop - rows.row]
            for rows, due in unexplained
        ]
        self.departures = torch.cat(bands, dim=1)

    def predict(self, tiles: Tiles) -> Tensor:
        """Evaluate function and departures at the fine scale, then blur."""
        assert tiles.guide is not None
        fine = self.polynomial.standard.fine(tiles.guide)
        height, width = tiles.lst.shape[-2:]
        places = zip(tiles.rows, tiles.columns, strict=True)
        departures = torch.stack([self._upsampled(r, c, height, width) for r, c in places])
        local = (departures[:, :-1] * fine).sum(dim=1, keepdim=True).add_(departures[:, -1:])
        return self.sensor.product.blur(local.add_(self.polynomial.evaluate(fine)))

    def _solve(self, rows: CoarseRows) -> Tensor:
        """Regress in a window around each pixel; return ``(F + 1, h, W)``."""
        detail = NEIGHBOURHOOD.detail(rows)
        values = torch.cat([detail.planes, detail.lst[None]])
        count = len(detail.planes)
        first, second = torch.triu_indices(count + 1, count + 1, device=values.device)
        means = self._window.mean(values[first] * values[second], rows.usable)
        moments = means.new_empty(*rows.lst.shape, count + 1, count + 1)
        moments[..., first, second] = moments[..., second, first] = means.permute(1, 2, 0)
        variance = self.polynomial.model.spread[:count].to(means) ** 2
        penalty = self.shrinkage / self._window.share(rows.usable).clamp(min=1e-3)
        gram = moments[..., :-1, :-1] + torch.diag(variance) * penalty[..., None, None]
        slopes = torch.linalg.solve(gram, moments[..., :-1, -1]).permute(2, 0, 1)
        left = torch.nan_to_num(rows.lst) - (slopes * rows.planes).sum(dim=0)
        return torch.cat([slopes, self._window.mean(left[None], rows.usable)])

    def _upsampled(self, row: int, column: int, height: int, width: int) -> Tensor:
        """Interpolate the departures over one tile, from one coarse pixel more on each side."""
        _, rows, columns = self.departures.shape
        top, left = min(row, 1), min(column, 1)
        bottom, right = min(rows, row + height + 1), min(columns, column + width + 1)
        fine = upsample_linear(
            self.departures[:, row - top : bottom, column - left : right], self.scale
        )
        top, left = top * self.scale, left * self.scale
        return fine[:, top : top + height * self.scale, left : left + width * self.scale]
