"""Polynomials of standardised features, of first or second degree."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from groklst_models.contract import SceneView
from groklst_models.regression.detail_regression import LinearModel, Mixture, fit_detail
from groklst_models.sampling.aggregation import CoarseRows, Planes, coarse_rows
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.standardization import Standardization

Degree = Literal[1, 2]


@dataclass(frozen=True)
class Polynomial:
    """A function of features in kelvin.

    Attributes:
        standard: Turns guidance into features.
        degree: 1, or 2 for squares and products too.
        model: Intercept and slopes; one slope for each of ``monomials``.
    """

    standard: Standardization
    degree: Degree
    model: LinearModel

    @classmethod
    def fit(
        cls,
        scene: SceneView,
        standard: Standardization,
        sensor: Sensor,
        *,
        degree: Degree,
        shrinkage: float,
        straight: float = 0.0,
    ) -> Self:
        """Regress the coarse LST's detail on the monomials, in one pass over the scene.

        Args:
            scene: Read once.
            standard: Turns guidance into features.
            sensor: How they become coarse.
            degree: 1, or 2 for squares and products too.
            shrinkage: As for ``fit_detail``.
            straight: Weight of the linear function, where the degree is 2; 0 to 1.

        Raises:
            FitError: If there is no coarse pixel with both LST and guidance.
        """
        mixture = Mixture(len(standard.mean), straight)
        model = fit_detail(scene, monomials(standard, degree), sensor, shrinkage, mixture)
        return cls(standard, degree, model)

    @property
    def slopes(self) -> Tensor:
        """Kelvin for each standard deviation of a feature ``(F,)``, at its mean."""
        return self.model.slopes[: len(self.standard.mean)]

    @property
    def curvature(self) -> Tensor:
        """Kelvin for each product of two deviations ``(F, F)``, upper triangle."""
        count = len(self.standard.mean)
        curvature = self.model.slopes.new_zeros(count, count)
        if self.degree == 2:
            first, second = torch.triu_indices(count, count, device=curvature.device)
            curvature[first, second] = self.model.slopes[count:]
        return curvature

    def evaluate(self, fine: Tensor) -> Tensor:
        """Turn standardised features ``(B, F, H, W)`` into ``(B, 1, H, W)``, kelvin."""
        slopes = self.slopes.to(fine)
        if self.degree == 1:
            return torch.einsum("i,bihw->bhw", slopes, fine)[:, None] + self.model.intercept
        answer = torch.einsum("ij,bjhw->bihw", self.curvature.to(fine), fine)
        answer = answer.add_(slopes[:, None, None]).mul_(fine)
        return answer.sum(dim=1, keepdim=True).add_(self.model.intercept)

    def residuals(self, scene: SceneView, sensor: Sensor) -> Iterator[CoarseRows]:
        """Read the scene once; yield the features and what the function leaves of the LST."""
        for rows in coarse_rows(scene, monomials(self.standard, self.degree), sensor):
            slopes = self.model.slopes.to(rows.planes)
            explained = torch.einsum("f,fhw->hw", slopes, rows.planes) + self.model.intercept
            features = rows.planes[: len(self.standard.mean)]
            yield replace(rows, planes=features, lst=rows.lst - explained)


def monomials(standard: Standardization, degree: Degree) -> Planes:
    """Return what computes the features and, group by group, the products of each with others.

    The groups are those of the upper triangle's rows: each feature times itself and those after it.
    """

    def planes(guide: Tensor) -> Iterator[Tensor]:
        fine = standard.fine(guide)
        yield fine
        for first in range(fine.shape[1] if degree == 2 else 0):
            yield fine[:, first : first + 1] * fine[:, first:]

    return planes
