"""Three regressions of one scene: a linear function, and two with departures in moving windows.

They share the expensive parts: the features, their standardization, the sensor and two passes over
the scene. The answers at the coarse scale, and their errors there, are kept too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from groklst_models.contract import SceneView, Tiles
from groklst_models.regression.detail_regression import NEIGHBOURHOOD, DetailSums, LinearModel
from groklst_models.regression.polynomial import Polynomial, monomials
from groklst_models.sampling.aggregation import CoarseRows, coarse_rows
from groklst_models.sampling.features import Features
from groklst_models.sampling.interpolation import upsample_linear
from groklst_models.sampling.neighbourhood import Neighbourhood, with_surroundings
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.standardization import Standardization

_NEAR: Final = Neighbourhood(2.0)
_NEAR_SHRINKAGE: Final = 0.03
_FAR: Final = Neighbourhood(4.0)
_FAR_SHRINKAGE: Final = 0.1
"""Windows of the departures from the quadratic and from the linear function, and the ridge
parameters as shares of a full window's weight."""

_MOST_LEVERAGE: Final = 0.95


@dataclass(frozen=True)
class CoarseAnswers:
    """What the regressions say at the coarse scale, ``(H, W)`` each, kelvin.

    Attributes:
        lst: The LST; NaN where it or guidance is missing.
        linear: The linear function's answer.
        near: That of the departures from the quadratic function.
        far: That of the departures from the linear function.
        left_out: What ``near`` leaves of a pixel's detail when the pixel itself is left out.
        leverage: How much of ``near`` a pixel decides itself, 0 to 1; without a unit.
    """

    lst: Tensor
    linear: Tensor
    near: Tensor
    far: Tensor
    left_out: Tensor
    leverage: Tensor


class ThreeAnswers:
    """The three regressions of a scene, fitted.

    Attributes:
        sensor: How features become coarse.
        linear: The linear function for the whole scene.
        quadratic: The function of second degree for the whole scene.
        near: ``(F + 1, H, W)``, departures from the quadratic one in a narrow window.
        far: The same from the linear one in a wide window.
        coarse: What they say at the coarse scale.
    """

    def __init__(self, scene: SceneView, features: Features, sensor: Sensor) -> None:
        """Read the scene twice.

        Args:
            scene: With guidance.
            features: Of its guidance.
            sensor: How they become coarse.

        Raises:
            FitError: If there is no coarse pixel with both LST and guidance.
        """
        self.sensor = sensor
        standard = Standardization.of(scene, features)
        planes = monomials(standard, 2)
        sums = DetailSums.read(scene, planes, sensor)
        count = len(standard.mean)
        self.linear = Polynomial(standard, 1, sums.first(count).model(_NEAR_SHRINKAGE))
        self.quadratic = Polynomial(standard, 2, sums.model(_NEAR_SHRINKAGE))
        reach = NEIGHBOURHOOD.reach + _FAR.reach
        parts = [
            [plane[..., due.start - rows.row : due.stop - rows.row, :] for plane in solved]
            for rows, due in with_surroundings(self._unexplained(scene), reach)
            for solved in [self._solve(rows, count)]
        ]
        near, far, facts = (torch.cat(part, dim=-2) for part in zip(*parts, strict=True))
        self.near, self.far, self.coarse = near, far, CoarseAnswers(*facts)

    def answer(self, fine: Tensor, tiles: Tiles) -> Tensor:
        """Evaluate the three at the fine scale, then blur.

        Args:
            fine: Standardised features ``(B, F, s·h, s·w)``.
            tiles: Where they lie.

        Returns:
            ``(B, 3, s·h, s·w)``, kelvin: linear, near, far.
        """
        height, width = tiles.lst.shape[-2:]
        linear, quadratic = self.linear.evaluate(fine), self.quadratic.evaluate(fine)
        places = list(zip(tiles.rows, tiles.columns, strict=True))
        answers = [linear]
        for base, departures in ((quadratic, self.near), (linear, self.far)):
            parts = [
                self._departures(departures, fine[i], row, column, height, width)
                for i, (row, column) in enumerate(places)
            ]
            answers.append(base + torch.stack(parts))
        return self.sensor.product.blur(torch.cat(answers, dim=1))

    def _departures(
        self, departures: Tensor, fine: Tensor, row: int, column: int, height: int, width: int
    ) -> Tensor:
        """Evaluate departures over one tile ``(1, s·h, s·w)``."""
        scale, (rows, columns) = self.sensor.scale, departures.shape[-2:]
        top, left = min(row, 1), min(column, 1)
        bottom, right = min(rows, row + height + 1), min(columns, column + width + 1)
        near = departures[:, row - top : bottom, column - left : right].to(fine)
        inner = (
            slice(top * scale, (top + height) * scale),
            slice(left * scale, (left + width) * scale),
        )
        total = upsample_linear(near[-1:], scale)[:, *inner].clone()
        for plane, weights in zip(fine, near[:-1], strict=True):
            total.addcmul_(upsample_linear(weights[None], scale)[:, *inner], plane[None])
        return total

    def _unexplained(self, scene: SceneView) -> Iterator[CoarseRows]:
        """Read the scene; yield features, then both functions' answers, in place of planes."""
        standard = self.linear.standard
        count = len(standard.mean)
        for rows in coarse_rows(scene, monomials(standard, 2), self.sensor):
            features = rows.planes[:count]
            linear = _explained(self.linear.model, features)
            quadratic = _explained(self.quadratic.model, rows.planes)
            yield replace(rows, planes=torch.cat([features, linear[None], quadratic[None]]))

    def _solve(self, rows: CoarseRows, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Regress in windows around each pixel; return departures and the coarse facts."""
        features, (linear, quadratic) = rows.planes[:count], rows.planes[count:]
        spread = self.linear.model.spread[:count]
        lst = torch.where(rows.usable, rows.lst, 0.0)
        part = replace(rows, planes=features, lst=lst - quadratic)
        near = _Window.of(part, _NEAR, _NEAR_SHRINKAGE, spread)
        far = _Window.of(replace(part, lst=lst - linear), _FAR, _FAR_SHRINKAGE, spread)
        left_out, leverage = near.left_out()
        facts = [
            torch.where(rows.usable, rows.lst, torch.nan),
            linear,
            quadratic + near.explained,
            linear + far.explained,
            left_out,
            leverage,
        ]
        return near.departures, far.departures, torch.stack(facts)


@dataclass(frozen=True)
class _Window:
    """A regression of detail in a moving window.

    Attributes:
        rows: Features, and what is to be explained of the LST.
        detail: Their detail.
        window: Weighs the pixels around each.
        gram: ``(h, W, F, F)``, the normal equations' matrix, with the ridge parameter.
        slopes: ``(F, h, W)``, kelvin for each unit of a feature.
    """

    rows: CoarseRows
    detail: CoarseRows
    window: Neighbourhood
    gram: Tensor
    slopes: Tensor

    @classmethod
    def of(
        cls, rows: CoarseRows, window: Neighbourhood, shrinkage: float, spread: Tensor
    ) -> "_Window":
        detail = NEIGHBOURHOOD.detail(rows)
        values = torch.cat([detail.planes, detail.lst[None]])
        count = len(detail.planes)
        first, second = torch.triu_indices(count + 1, count + 1, device=values.device)
        means = window.mean(values[first] * values[second], rows.usable)
        moments = means.new_empty(*rows.lst.shape, count + 1, count + 1)
        moments[..., first, second] = moments[..., second, first] = means.permute(1, 2, 0)
        penalty = shrinkage / window.share(rows.usable).clamp(min=1e-3)
        gram = moments[..., :-1, :-1] + torch.diag(spread.to(means) ** 2) * penalty[..., None, None]
        slopes = torch.linalg.solve(gram, moments[..., :-1, -1]).permute(2, 0, 1)
        return cls(rows, detail, window, gram, slopes)

    @property
    def departures(self) -> Tensor:
        """Slopes and, last, what to add where every feature is 0 ``(F + 1, h, W)``."""
        return torch.cat([self.slopes, self._level[None]])

    @property
    def explained(self) -> Tensor:
        """What the window's regression says of each pixel ``(h, W)``, kelvin."""
        return (self.slopes * self.rows.planes).sum(dim=0) + self._level

    def left_out(self) -> tuple[Tensor, Tensor]:
        """Return what is left of each pixel's detail without it, kelvin, and its leverage."""
        planes = self.detail.planes.permute(1, 2, 0)
        own = 1 / (2 * math.pi * self.window.sigma**2)
        share = self.window.share(self.rows.usable).clamp(min=1e-3)
        leverage = own / share * (torch.linalg.solve(self.gram, planes) * planes).sum(dim=-1)
        leverage = leverage.clamp(0, _MOST_LEVERAGE)
        left = self.detail.lst - (self.slopes * self.detail.planes).sum(dim=0)
        return left / (1 - leverage) * self.rows.usable, leverage

    @property
    def _level(self) -> Tensor:
        left = self.rows.lst - (self.slopes * self.rows.planes).sum(dim=0)
        return self.window.mean(left[None], self.rows.usable)[0]


def _explained(model: LinearModel, planes: Tensor) -> Tensor:
    return torch.einsum("f,fhw->hw", model.slopes.to(planes), planes) + model.intercept
