"""The sensor model: a Gaussian point spread on the fine grid, then the mean of a coarse pixel.

A thermal product is smoother than its grid. Its spread is estimated from the scene itself: the
coarse LST's detail is regressed on the detail of guidance blurred by each candidate, and the one
that explains most on pixels left out of the fit wins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView
from groklst_models.fitted.features import Features
from groklst_models.fitted.windows import (
    bounded_features,
    fold_numbers,
    high_pass,
    known_pixels,
    left_out_error,
    lst_detail,
    sample_blocks,
)

CANDIDATES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Standard deviations that are tried, fine pixels."""

_LEAST_PIXELS: Final = 100
_LARGEST_UNEXPLAINED: Final = 0.95


@dataclass(frozen=True)
class Sensor:
    """How fine temperatures become a coarse pixel.

    Attributes:
        scale: Fine pixels along a coarse one.
        sigma: Standard deviation of the point spread, fine pixels; 0 for none.
    """

    scale: int
    sigma: float = 0.0

    @property
    def radius(self) -> int:
        """Fine pixels beyond which the point spread counts as zero."""
        return math.ceil(3 * self.sigma)

    @property
    def halo(self) -> int:
        """Coarse pixels of surroundings that a blurred pixel depends on."""
        return math.ceil(self.radius / self.scale)

    def blur(self, fine: Tensor) -> Tensor:
        """Blur ``(B, C, H, W)`` without gaps; edges are repeated outwards."""
        if self.radius == 0:
            return fine
        kernel = self._kernel(fine)
        channels = fine.shape[1]
        pad = (self.radius,) * 2
        down = functional.pad(fine, (0, 0, *pad), mode="replicate")
        rows = functional.conv2d(
            down, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels
        )
        across = functional.pad(rows, (*pad, 0, 0), mode="replicate")
        return functional.conv2d(
            across, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels
        )

    def matrix(self, coarse: int, shift: float = 0.0) -> Tensor:
        """Write shift, blur and mean along one axis as a matrix.

        Args:
            coarse: Length of the axis, coarse pixels.
            shift: How far along the axis the sensor looks, fine pixels; between two pixels it
                sees a linear mixture.

        Returns:
            ``(coarse, scale · coarse)`` in double precision; edges are repeated outwards.
        """
        size = coarse * self.scale
        kernel = self._kernel(torch.empty(0, dtype=torch.float64))
        whole = math.floor(shift)
        part = shift - whole
        blur = torch.zeros(size, size, dtype=torch.float64)
        rows = torch.arange(size)
        for step, weight in zip(range(-self.radius, self.radius + 1), kernel, strict=True):
            for extra, share in ((0, 1 - part), (1, part)):
                seen = (rows + step + whole + extra).clamp(0, size - 1)
                blur.index_put_((rows, seen), (weight * share).expand(size), accumulate=True)
        return blur.view(coarse, self.scale, size).mean(dim=1)

    def _kernel(self, like: Tensor) -> Tensor:
        if self.radius == 0:
            return torch.ones(1).to(like)
        distance = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (distance / self.sigma) ** 2)
        return (weights / weights.sum()).to(like)


def estimate_sensor(scene: SceneView, features: Features) -> Sensor:
    """Estimate the point spread of a scene, unless the user states it.

    Returns:
        The sensor whose blurred guidance explains most of the coarse LST's detail; without blur
        where too few coarse pixels are known to tell, or guidance explains next to nothing.
    """
    if scene.psf is not None:
        return Sensor(scene.scale, scene.psf)
    sensors = [Sensor(scene.scale, sigma) for sigma in CANDIDATES]
    parts = [_detail(block, features, sensors) for block in sample_blocks(scene)]
    target = torch.cat([part.target for part in parts])
    if len(target) < _LEAST_PIXELS:
        return Sensor(scene.scale)
    fold = torch.cat([part.fold for part in parts])
    errors = [
        float(left_out_error(torch.cat([part.designs[i] for part in parts]), target, fold).sum())
        for i in range(len(sensors))
    ]
    if min(errors) > _LARGEST_UNEXPLAINED * float((target**2).sum()):
        return Sensor(scene.scale)
    return Sensor(scene.scale, _lowest(CANDIDATES, errors))


@dataclass(frozen=True)
class _Detail:
    """A window's known pixels: ``(n, F)`` for each sensor, ``(n,)`` LST, ``(n,)`` folds."""

    designs: list[Tensor]
    target: Tensor
    fold: Tensor


def _detail(block: Block, features: Features, sensors: Sequence[Sensor]) -> _Detail:
    """High-pass the LST, and quadratic features as each sensor sees them."""
    known = known_pixels(block, features.scale)
    fine = bounded_features(block, features)
    first, second = torch.triu_indices(len(fine), len(fine))
    fine = torch.cat([fine, fine[first] * fine[second]])
    designs = []
    for sensor in sensors:
        down, across = (sensor.matrix(size).to(fine) for size in block.lst.shape)
        designs.append(high_pass((down @ fine @ across.T).double())[:, known].T)
    return _Detail(designs, lst_detail(block)[known], fold_numbers(block)[known])


def _lowest(positions: Sequence[float], values: Sequence[float]) -> float:
    """Find the minimum of samples, refined by the parabola through it and its neighbours."""
    best = min(range(len(values)), key=values.__getitem__)
    if best in (0, len(values) - 1):
        return positions[best]
    (x0, x1, x2), (y0, y1, y2) = positions[best - 1 : best + 2], values[best - 1 : best + 2]
    slope_left, slope_right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    curvature = (slope_right - slope_left) / (x2 - x0)
    if curvature <= 0:
        return x1
    return min(max((x0 + x1) / 2 - slope_left / (2 * curvature), x0), x2)
