"""Linear regression of the coarse LST's detail, in one pass over the scene.

What a coarse pixel has in common with its neighbours is restored by conserving the coarse means, so
a model need not explain it. It should not, because broad gradients (weather, relief) would bias the
slopes. So both LST and planes are reduced to their detail, the difference from a Gaussian mean over
the neighbourhood, before the regression.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from groklst_models.contract import SceneView
from groklst_models.regression.moments import Moments
from groklst_models.sampling.aggregation import CoarseRows, Planes, coarse_rows
from groklst_models.sampling.coverage import nothing_covered
from groklst_models.sampling.neighbourhood import Neighbourhood, with_surroundings
from groklst_models.sampling.sensor import Sensor

NEIGHBOURHOOD: Final = Neighbourhood(1.0)
"""Over which the mean is taken that is left out."""

_LEAST_SHRINKAGE: Final = 1e-3
_LEAST_SPREAD: Final = 1e-3
"""Standard deviation of a plane's coarse detail up to which nothing is learned from it. If fine
detail averages out over every coarse pixel, the rest is only rounding."""


@dataclass(frozen=True)
class LinearModel:
    """The LST as a linear function of planes.

    Attributes:
        intercept: Kelvin, where every plane is 0.
        slopes: ``(F,)``, kelvin for each unit of a plane.
        spread: ``(F,)``, standard deviation of each plane's coarse detail; 1 where there is none.
    """

    intercept: float
    slopes: Tensor
    spread: Tensor


@dataclass(frozen=True)
class Mixture:
    """A model that is mixed with one of fewer planes.

    Attributes:
        planes: Number of planes of that model, the first ones.
        share: Weight of that model, 0 to 1.
    """

    planes: int
    share: float


def fit_detail(
    scene: SceneView,
    planes: Planes,
    sensor: Sensor,
    shrinkage: float,
    mixture: Mixture | None = None,
) -> LinearModel:
    """Regress the detail of the coarse LST on the detail of the planes as the sensor sees them.

    Args:
        scene: Read once.
        planes: Computes the fine planes.
        sensor: How they become coarse.
        shrinkage: Ridge parameter for one sample per plane; it falls with the number of samples.
        mixture: The model of fewer planes to mix in, if any.

    Raises:
        FitError: If there is no coarse pixel with both LST and guidance.
    """
    return DetailSums.read(scene, planes, sensor).model(shrinkage, mixture)


class DetailSums:
    """Sums of one pass over a scene, from which all such regressions follow."""

    def __init__(self, detail: Moments, sums: "_Sums") -> None:
        self._detail, self._sums = detail, sums

    @classmethod
    def read(cls, scene: SceneView, planes: Planes, sensor: Sensor) -> Self:
        """Read the scene once.

        Args:
            scene: The scene.
            planes: Computes the fine planes.
            sensor: How they become coarse.

        Raises:
            FitError: If there is no coarse pixel with both LST and guidance.
        """
        detail, sums = Moments(), _Sums()

        def watched() -> Iterator[CoarseRows]:
            for rows in coarse_rows(scene, planes, sensor):
                sums.add(rows)
                yield rows

        for rows, due in with_surroundings(watched(), NEIGHBOURHOOD.reach):
            detail.add(*NEIGHBOURHOOD.detail(rows).cut(due).samples())
        if sums.count == 0:
            raise nothing_covered()
        return cls(detail, sums)

    def first(self, count: int) -> "DetailSums":
        """Return the sums of the first ``count`` planes."""
        few = _Sums()
        few.count, few.lst, few.planes = self._sums.count, self._sums.lst, self._sums.planes[:count]
        return DetailSums(self._detail.first(count), few)

    def model(self, shrinkage: float, mixture: Mixture | None = None) -> LinearModel:
        """Solve the regression; the arguments are those of ``fit_detail``."""
        detail, sums = self._detail, self._sums
        slopes, std = _slopes(detail, shrinkage * len(sums.planes) / sums.count)
        if mixture is not None and mixture.share > 0:
            few, _ = _slopes(detail.first(mixture.planes), shrinkage * mixture.planes / sums.count)
            slopes = slopes * (1 - mixture.share)
            slopes[: mixture.planes] += mixture.share * few
        return LinearModel(float(sums.lst - sums.planes @ slopes) / sums.count, slopes, std)


def _slopes(detail: Moments, shrinkage: float) -> tuple[Tensor, Tensor]:
    """Return the slopes for each unit of a plane, and the planes' deviations."""
    _, std, _, coefficients = detail.solve(_LEAST_SHRINKAGE + shrinkage, _LEAST_SPREAD)
    return coefficients / std, std


class _Sums:
    """Sums over the usable pixels, of planes and LST.

    Attributes:
        count: How many pixels.
        planes: ``(F,)``.
        lst: Kelvin.
    """

    def __init__(self) -> None:
        self.count, self.lst = 0, 0.0
        self.planes = torch.zeros((), dtype=torch.float64)

    def add(self, rows: CoarseRows) -> None:
        """Add whole rows."""
        self.count += int(rows.usable.sum())
        self.lst += float(rows.lst[rows.usable].sum(dtype=torch.float64))
        self.planes = self.planes + rows.planes[:, rows.usable].sum(dim=1, dtype=torch.float64)
