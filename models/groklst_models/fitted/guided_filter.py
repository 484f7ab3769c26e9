"""Guided filter of the interpolated LST.

K. He, J. Sun & X. Tang, "Guided image filtering", IEEE Transactions on Pattern Analysis and Machine
Intelligence 35(6), 2013; K. He & J. Sun, "Fast guided filter", arXiv:1505.00996, 2015; for LST:
F. Guo, D. Hu & U. Schlink, "A new nonlinear method for downscaling land surface temperature by
integrating guided and Gaussian filtering", Remote Sensing of Environment 271, 2022. In every window
the bicubic LST is a linear function of the guides, and a pixel is the mean over the windows that
hold it. As in the fast filter, moments and coefficients are computed on a grid thinned by about
half the radius, which is even finer than the coarse one. The guides are all bands and indices.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.errors import lacks_guidance
from groklst_models.sampling.features import Features
from groklst_models.sampling.interpolation import upsample_cubic, upsample_linear
from groklst_models.sampling.standardization import Standardization

_CUBIC_REACH = 2


class GuidedFilter(FittedMethod):
    """Filter the interpolated LST by bands and indices.

    Attributes:
        standard: How guidance becomes guides.
    """

    standard: Standardization

    def __init__(self, *, scale: int, radius: int = 8, epsilon: float = 0.01) -> None:
        """Choose the window.

        Args:
            scale: Fine pixels along a coarse pixel.
            radius: Of the square window, fine pixels; at least 1.
            epsilon: Ridge parameter, in variances of a guide; above 0.

        Raises:
            ValueError: If the radius is below 1 or epsilon not positive.
        """
        if radius < 1 or epsilon <= 0:
            raise ValueError(
                f"radius is {radius}, epsilon {epsilon}, expected at least 1 and above 0"
            )
        self.scale, self.epsilon = scale, epsilon
        divisors = [step for step in range(1, scale + 1) if scale % step == 0]
        self._step = min(divisors, key=lambda step: abs(step - radius / 2))
        self._radius = max(1, round(radius / self._step))  # thinned pixels

    @property
    def halo(self) -> int:
        """Coarse pixels that two windows, a thinned pixel and the interpolation reach."""
        return math.ceil((2 * self._radius + 1) * self._step / self.scale) + _CUBIC_REACH

    def fit(self, scene: SceneView) -> None:
        """Find the guides' means and deviations.

        Raises:
            FitError: If there is no guidance.
        """
        if not scene.bands:
            raise lacks_guidance("guided-filter")
        self.standard = Standardization.of(scene, Features(tuple(scene.bands), self.scale))

    def predict(self, tiles: Tiles) -> Tensor:
        """Filter ``(B, 1, s·h, s·w)``, kelvin; without guidance a guide is at its mean."""
        assert tiles.guide is not None
        guide = self.standard.fine(tiles.guide)
        lst = upsample_cubic(tiles.lst, self.scale)
        level = lst.mean(dim=(-2, -1), keepdim=True)
        coefficients = self._coefficients(self._thin(guide), self._thin(lst - level))
        coefficients = upsample_linear(self._box(coefficients), self._step)
        slopes, rest = coefficients[:, :-1], coefficients[:, -1:]
        return (slopes * guide).sum(dim=1, keepdim=True).add_(rest).add_(level)

    def _coefficients(self, guide: Tensor, lst: Tensor) -> Tensor:
        """Regress in every window; return slopes and intercept ``(B, F + 1, H, W)``."""
        count = guide.shape[1]
        values = torch.cat([guide, lst], dim=1)
        means = self._box(values)
        covariance = values.new_empty(len(values), *values.shape[-2:], count, count + 1)
        for row in range(count):
            products = self._box(values[:, row : row + 1] * values[:, row:])
            products -= means[:, row : row + 1] * means[:, row:]
            covariance[..., row, row:] = products.movedim(1, -1)
            covariance[..., row:, row] = products[:, :-1].movedim(1, -1)
        gram = covariance[..., :count] + self.epsilon * torch.eye(count, device=values.device)
        slopes = torch.linalg.solve(gram, covariance[..., count]).movedim(-1, 1)
        rest = means[:, count:] - (slopes * means[:, :count]).sum(dim=1, keepdim=True)
        return torch.cat([slopes, rest], dim=1)

    def _thin(self, fine: Tensor) -> Tensor:
        return functional.avg_pool2d(fine, self._step)

    def _box(self, thinned: Tensor) -> Tensor:
        """Average over the window, as far as there is anything."""
        side, pad = 2 * self._radius + 1, self._radius
        return functional.avg_pool2d(thinned, side, 1, pad, count_include_pad=False)
