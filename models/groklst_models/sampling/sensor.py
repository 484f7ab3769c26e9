"""The sensor model: a Gaussian point spread on the fine grid, then the mean of a coarse pixel.

A thermal product is smoother than its grid. Its point spread is estimated from the scene itself:
the coarse LST's detail is regressed on the detail of guidance blurred by each candidate, and the
fit to held-out pixels is combined with prior knowledge from other thermal sensors. The finer the
requested product, the less of its spread can be seen at the coarse scale; if the spread is
estimated too small, a method adds two or three times too much detail.

A spread wider than 0.3 coarse pixels is not wanted in the fine product: methods are fitted with all
of it, but their answers are only blurred by 1.2 fine pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from hashlib import blake2b
from itertools import chain
from operator import add
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import Block, SceneView
from groklst_models.sampling.banded import weigh_columns, weigh_rows
from groklst_models.sampling.features import Features
from groklst_models.sampling.fold_moments import FoldMoments
from groklst_models.sampling.folds import FIVE
from groklst_models.sampling.sensor_windows import (
    SHRINKAGE,
    bounded_features,
    high_pass,
    known_pixels,
    lst_detail,
    sample_blocks,
)
from groklst_models.sampling.side_by_side import side_by_side
from groklst_models.threads import one_thread

CANDIDATES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Standard deviations that are tried, fine pixels."""

USUAL: Final = 0.75
"""Point spread of a thermal sensor in pixels of its own, and so of a product on the fine grid."""

WIDEST: Final = 0.3
"""Point spread of a fine product at most, coarse pixels, where it is more than the usual one."""

SHARPEST: Final = 1.2
"""Point spread of a fine product whose sensor has a wider one, fine pixels."""

_USUAL_WIDTH: Final = 0.15
_USUAL_FREEDOM: Final = 3.0
"""Width, fine pixels, and degrees of freedom of Student's distribution of the usual spread."""

_ALIKE: Final = 16
"""Coarse pixels that count as one independent sample, because residuals of neighbours are
correlated."""

_STEP: Final = 0.05  # of the search for the likeliest spread, fine pixels
_SURE: Final = 3.0  # standard errors
_GUIDED: Final = 0.9
_LEAST_PIXELS: Final = 100
_LARGEST_UNEXPLAINED: Final = 0.95


_Detail = tuple[Tensor, Tensor, Tensor, Tensor]
"""Of a window's known pixels: planes ``(S, F, n)``, the LST's detail, folds, and places."""

_REMEMBERED: Final = 16
_FOUND: Final[dict[tuple[Features, str], "Sensor"]] = {}
"""Sensors that were estimated by features and the content of the windows; guides that were found
to be in place and the method that follows ask the same."""


@dataclass(frozen=True)
class Sensor:
    """How fine temperatures become a coarse pixel.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        sigma: Standard deviation of the point spread, fine pixels; 0 for none.
        sharpest: Standard deviation of the part of it that the fine product also has, if that is
            not all.
    """

    scale: int
    sigma: float = 0.0
    sharpest: float | None = None

    @property
    def product(self) -> "Sensor":
        """What blurs a method's answer."""
        return self if self.sharpest is None else Sensor(self.scale, self.sharpest)

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
        above_and_below, beside = (0, 0, self.radius, self.radius), (self.radius, self.radius, 0, 0)
        down = self._weigh(functional.pad(fine, above_and_below, mode="replicate"), -2)
        return self._weigh(functional.pad(down, beside, mode="replicate"), -1)

    def _weigh(self, padded: Tensor, axis: int) -> Tensor:
        """Weigh the pixels around each along one axis; it gets shorter by the padding."""
        first, *others = self._kernel(padded.dtype).tolist()
        size = padded.shape[axis] - 2 * self.radius
        total: Tensor = padded.narrow(axis, 0, size) * first
        for step, weight in enumerate(others, start=1):
            total.add_(padded.narrow(axis, step, size), alpha=weight)
        return total

    def matrix(self, coarse: int, shift: float = 0.0) -> Tensor:
        """Write shift, blur and mean along one axis as a matrix.

        Args:
            coarse: Length of the axis, coarse pixels.
            shift: How far along the axis the sensor looks, fine pixels; between two pixels it
                sees a linear mixture.

        Returns:
            ``(coarse, scale · coarse)`` in double precision; edges are repeated outwards.
        """
        return _matrix(self, coarse, shift)

    def _kernel(self, dtype: torch.dtype) -> Tensor:
        if self.radius == 0:
            return torch.ones(1, dtype=dtype)
        distance = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (distance / self.sigma) ** 2)
        return (weights / weights.sum()).to(dtype)


@lru_cache(maxsize=64)
def _matrix(sensor: Sensor, coarse: int, shift: float) -> Tensor:
    size = coarse * sensor.scale
    kernel = sensor._kernel(torch.float64)
    whole = math.floor(shift)
    reach = torch.arange(-sensor.radius, sensor.radius + 1)
    first = torch.arange(size)[:, None] + reach + whole
    blur = torch.zeros(size, size, dtype=torch.float64)
    for extra, share in ((0, 1 - shift + whole), (1, shift - whole)):
        seen = (first + extra).clamp(0, size - 1)
        blur.scatter_add_(1, seen, (kernel * share).expand_as(seen))
    return blur.view(coarse, sensor.scale, size).mean(dim=1)


def estimate_sensor(scene: SceneView, features: Features) -> Sensor:
    """Estimate the point spread of a scene, unless the user states it.

    Returns:
        The most likely sensor; the usual one if too few coarse pixels are known, or guidance
        explains almost nothing.
    """
    if scene.psf is not None:
        return Sensor(scene.scale, scene.psf)
    blocks = sample_blocks(scene)
    asked = features, _digest(blocks)
    found = _FOUND.get(asked)  # another thread may forget it at any time
    if found is None:
        found = _estimated(scene, features, blocks)
        if len(_FOUND) >= _REMEMBERED:
            _FOUND.clear()
        _FOUND[asked] = found
    return found


def _digest(blocks: Sequence[Block]) -> str:
    digest = blake2b(digest_size=16)
    for block in blocks:
        digest.update(repr((block.row, block.column, block.guide.shape, block.device)).encode())
        digest.update(block.lst.tobytes())
        digest.update(block.guide.tobytes())
    return digest.hexdigest()


def _estimated(scene: SceneView, features: Features, blocks: Sequence[Block]) -> Sensor:
    sensors = [Sensor(scene.scale, sigma) for sigma in CANDIDATES]
    parts = side_by_side(lambda block: _moments(block, features, sensors), blocks)
    found = reduce(add, parts)
    if int(found.count.sum()) < _LEAST_PIXELS:
        return Sensor(scene.scale, USUAL)
    with one_thread():
        errors = found.errors(SHRINKAGE).sum(dim=-1).tolist()
    if min(errors) > _LARGEST_UNEXPLAINED * float(found.squares.sum()):
        return Sensor(scene.scale, USUAL)
    return _beyond_product(features, blocks, errors) or Sensor(
        scene.scale, _likeliest(errors, int(found.count.sum()))
    )


def _beyond_product(
    features: Features, blocks: Sequence[Block], errors: Sequence[float]
) -> Sensor | None:
    """Accept a spread beyond the product's only if it explains more with certainty, else None.

    If there is one that is not certain, the widest spread of a product is used.
    """
    product = Sensor(features.scale, max(USUAL, WIDEST * features.scale))
    sigma = _lowest(CANDIDATES, errors)
    if sigma == CANDIDATES[-1] and features.scale > CANDIDATES[-1]:
        sigma = _widest(features, blocks)
    if sigma <= product.sigma:
        return None
    whole = Sensor(features.scale, sigma, min(SHARPEST, product.sigma))
    narrow, wide, _ = left_out_squares(blocks, features, [product, whole])
    return whole if surely(narrow - wide) else replace(whole, sigma=product.sigma)


def _widest(features: Features, blocks: Sequence[Block]) -> float:
    """Search among the same candidates as shares of a coarse pixel, where it has more pixels."""
    wider = [sigma * features.scale / CANDIDATES[-1] for sigma in CANDIDATES]
    wider = [CANDIDATES[-1], *(sigma for sigma in wider if sigma > CANDIDATES[-1])]
    sensors = [Sensor(features.scale, sigma) for sigma in wider]
    found = reduce(add, side_by_side(lambda b: _moments(b, features, sensors), blocks))
    with one_thread():
        errors = found.errors(SHRINKAGE).sum(dim=-1).tolist()
    return _lowest(wider, errors)


def _likeliest(errors: Sequence[float], pixels: int) -> float:
    """Find the spread of largest posterior likelihood, fine pixels.

    Args:
        errors: Sums of squares that each candidate leaves of detail left out of the fit.
        pixels: How many they were summed over.
    """
    least = 1e-9 * max(errors)
    spreads = np.arange(CANDIDATES[0], CANDIDATES[-1] + _STEP, _STEP)
    logarithms = [math.log(max(error, least)) for error in errors]
    unexplained = pixels / _ALIKE * np.interp(spreads, CANDIDATES, logarithms)
    distance = (spreads - USUAL) / _USUAL_WIDTH
    unusual = (_USUAL_FREEDOM + 1) * np.log1p(distance**2 / _USUAL_FREEDOM)
    return float(spreads[np.argmin(unexplained + unusual)])


def guides_surely(scene: SceneView, features: Features, sensor: Sensor) -> bool:
    """Return whether guidance explains held-out detail of the LST with certainty."""
    blocks = sample_blocks(scene)
    if sum(int(known_pixels(block, scene.scale).sum()) for block in blocks) < _LEAST_PIXELS:
        return False
    left, detail = left_out_squares(blocks, features, [sensor])
    return surely(detail - left) and float(left.sum()) < _GUIDED * float(detail.sum())


def surely(gains: Tensor) -> bool:
    """Tell whether the mean of gains ``(n,)`` exceeds three of its standard errors."""
    if len(gains) < 2:
        return False
    error = float(gains.std(correction=0)) / math.sqrt(len(gains))
    return float(gains.mean()) > _SURE * error


def left_out_squares(
    blocks: Sequence[Block], features: Features, sensors: Sequence[Sensor]
) -> Tensor:
    """Sum the squared errors of detail left out of the fit over squares of coarse pixels.

    Args:
        blocks: Windows of the scene.
        features: What the LST's detail is regressed on, with their products.
        sensors: How they become coarse.

    Returns:
        ``(S + 1, n)``, square kelvin, for every square that holds a known pixel: a row for each
        sensor, then the detail's own squares. The squares are the folds', so neighbours in one
        are left out together.
    """
    details = list(side_by_side(lambda b: _known_detail(b, features, sensors), blocks))
    found = reduce(add, side_by_side(_fold_moments, details))
    with one_thread():
        slopes = found.slopes(SHRINKAGE)
    pairs = zip(blocks, details, strict=True)
    parts = side_by_side(lambda pair: _squared_errors(*pair, slopes), pairs)
    return torch.cat(list(parts), dim=1)


def _squared_errors(block: Block, detail: _Detail, slopes: Tensor) -> Tensor:
    planes, target, fold, known = detail
    answers = torch.einsum("sfn,snf->sn", planes, slopes[:, fold])
    errors = torch.cat([(target - answers).square(), target.square()[None]])
    errors = errors.cpu()  # a GPU adds by index in the order of its threads, which varies
    first = block.row % FIVE.side, block.column % FIVE.side
    rows, columns = (
        (torch.arange(size) + start) // FIVE.side
        for size, start in zip(block.lst.shape, first, strict=True)
    )
    square = (rows[:, None] * (1 + columns[-1]) + columns).flatten()[known.cpu()]
    square = torch.unique(square, return_inverse=True)[1]
    count = 1 + int(square.max()) if len(square) else 0
    return errors.new_zeros(len(errors), count).index_add_(1, square, errors)


def _moments(block: Block, features: Features, sensors: Sequence[Sensor]) -> FoldMoments:
    """Sum over a window's known pixels, for each sensor ``(S, …)``: detail of quadratic features.

    The detail is that of the features as the sensor sees them, and the target is the LST's.
    """
    return _fold_moments(_known_detail(block, features, sensors))


def _fold_moments(detail: _Detail) -> FoldMoments:
    planes, target, fold, _ = detail
    return FoldMoments.of(planes, target, fold, FIVE.count)


def _known_detail(block: Block, features: Features, sensors: Sequence[Sensor]) -> _Detail:
    """Compute the detail of quadratic features as each sensor sees them."""
    known = torch.nonzero(known_pixels(block, features.scale).flatten())[:, 0]
    fine = bounded_features(block, features)
    height, width = block.lst.shape
    downs = torch.stack([sensor.matrix(height) for sensor in sensors]).to(fine)
    acrosses = torch.stack([sensor.matrix(width) for sensor in sensors]).to(fine)
    groups = chain([fine], (fine[index] * fine[index:] for index in range(len(fine))))
    seen = [_detail_seen(group, downs, acrosses).flatten(-2)[..., known] for group in groups]
    target, fold = lst_detail(block).flatten()[known], FIVE.of(block).flatten()[known]
    return torch.cat(seen, dim=1), target, fold, known


def _detail_seen(fine: Tensor, downs: Tensor, acrosses: Tensor) -> Tensor:
    """Return the detail ``(S, F, h, w)`` of planes ``(F, s·h, s·w)`` as each sensor sees them.

    Args:
        fine: The planes.
        downs: ``(S, h, s·h)``, the sensors along the rows; what is zero in it costs nothing.
        acrosses: ``(S, w, s·w)``, the sensors along the columns.
    """
    return high_pass(weigh_columns(weigh_rows(downs, fine), acrosses).double())


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
