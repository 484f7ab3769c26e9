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

CANDIDATES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Standard deviations that are tried, fine pixels."""

_WINDOW = 48  # coarse pixels; a window's features fit into memory at any scale
_WINDOWS = 6
_FOLD_BLOCK = 4
_FOLDS = 5
_SHRINKAGE = 1e-2
_LEAST_PIXELS = 100


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

    def matrix(self, coarse: int) -> Tensor:
        """Write blur and mean along one axis as a matrix ``(coarse, scale · coarse)``, float64."""
        size = coarse * self.scale
        mean = torch.eye(coarse, dtype=torch.float64).repeat_interleave(self.scale, 1) / self.scale
        if self.radius == 0:
            return mean
        kernel = self._kernel(mean)
        blur = torch.zeros(size, size, dtype=torch.float64)
        rows = torch.arange(size)
        for step, weight in zip(range(-self.radius, self.radius + 1), kernel, strict=True):
            blur.index_put_(
                (rows, (rows + step).clamp(0, size - 1)), weight.expand(size), accumulate=True
            )
        return mean @ blur

    def _kernel(self, like: Tensor) -> Tensor:
        distance = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (distance / self.sigma) ** 2)
        return (weights / weights.sum()).to(like)


def estimate_sensor(scene: SceneView, features: Features) -> Sensor:
    """Estimate the point spread of a scene.

    Returns:
        The sensor whose blurred guidance explains most of the coarse LST's detail; without blur
        where too few coarse pixels are known to tell.
    """
    blocks = [block for block in _windows(scene) if _known(block, features).sum() > 0]
    if sum(int(_known(block, features).sum()) for block in blocks) < _LEAST_PIXELS:
        return Sensor(scene.scale)
    errors = [_left_out_error(blocks, features, Sensor(scene.scale, s)) for s in CANDIDATES]
    return Sensor(scene.scale, _lowest(CANDIDATES, errors))


def _windows(scene: SceneView) -> list[Block]:
    """Read some windows spread evenly over the scene; all of it when it is small."""
    rows, columns = (_starts(size) for size in scene.shape)
    places = [(r, c) for r in rows for c in columns]
    step = max(1, len(places) // _WINDOWS)
    height, width = scene.shape
    return [
        scene.window(slice(r, min(height, r + _WINDOW)), slice(c, min(width, c + _WINDOW)))
        for r, c in places[step // 2 :: step][:_WINDOWS]
    ]


def _starts(size: int) -> range:
    return range(0, max(1, size - _WINDOW // 2), _WINDOW)


def _known(block: Block, features: Features) -> Tensor:
    """Mark coarse pixels whose neighbourhood holds LST and guidance throughout."""
    guide = torch.from_numpy(block.guide)[None]
    missing = torch.isnan(guide).any(dim=1, keepdim=True).float()
    lst = torch.isnan(torch.from_numpy(block.lst))[None, None].float()
    gaps = functional.max_pool2d(missing, features.scale) + lst
    near = functional.max_pool2d(gaps, 3, stride=1, padding=1)
    return near[0, 0] == 0


def _left_out_error(blocks: Sequence[Block], features: Features, sensor: Sensor) -> float:
    """Regress detail on detail; return the mean squared error on the folds left out."""
    parts = [_detail(block, features, sensor) for block in blocks]
    design = torch.cat([part[0] for part in parts])
    target = torch.cat([part[1] for part in parts])
    fold = torch.cat([part[2] for part in parts])
    std = design.std(dim=0).clamp(min=1e-12)
    design = design / std
    total = 0.0
    for left_out in range(_FOLDS):
        test = fold == left_out
        train = design[~test]
        if not test.any() or not len(train):
            continue
        gram = train.T @ train
        gram.diagonal().add_(_SHRINKAGE * len(train))
        weights = torch.linalg.solve(gram, train.T @ target[~test])
        total += float(((target[test] - design[test] @ weights) ** 2).sum())
    return total / len(target)


def _detail(block: Block, features: Features, sensor: Sensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return high-passed quadratic features and LST of the known pixels, and their folds."""
    known = _known(block, features)
    fine = features.fine(torch.from_numpy(block.guide)[None])[0].double()
    fine = torch.nan_to_num(fine - fine.nanmean(dim=(1, 2), keepdim=True))
    spread = fine.std(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    fine = (fine / spread).clamp(-4, 4)
    first, second = torch.triu_indices(len(fine), len(fine))
    height, width = block.lst.shape
    down, across = sensor.matrix(height), sensor.matrix(width)
    coarse = down @ torch.cat([fine, fine[first] * fine[second]]) @ across.T
    lst = torch.from_numpy(block.lst).double()
    lst = torch.where(torch.isnan(lst), lst.nanmean(), lst)
    planes = _high_pass(torch.cat([coarse, lst[None]]))
    rows, columns = torch.meshgrid(
        (torch.arange(height) + block.row) // _FOLD_BLOCK,
        (torch.arange(width) + block.column) // _FOLD_BLOCK,
        indexing="ij",
    )
    fold = (rows * 2 + columns) % _FOLDS
    return planes[:-1, known].T, planes[-1, known], fold[known]


def _high_pass(planes: Tensor) -> Tensor:
    """Subtract a Gaussian mean of one coarse pixel."""
    smooth = Sensor(1, 1.0).blur(planes[None])[0]
    return planes - smooth


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
