"""A fitted method at the edge of guides: a smooth transition to interpolation.

Where a guide is missing, a method computes as if it were at its mean. The residual of coarse means
then differs on both sides of the edge, and spreading it smoothly would carry it across. Here the
method's residual is continued beyond the edge instead, the rest is interpolated smoothly where
guides are missing, and the covered part does not change.
"""

from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_models.contract import FittedMethod, Tiles
from groklst_models.sampling.coverage import LEAST_COVERED
from groklst_models.sampling.interpolation import INTERPOLATION_REACH, upsample_cubic

_SIGMA: Final = 1.5
_REACH: Final = 4
"""Deviation and reach of the kernel that continues what is left over, coarse pixels."""

_ROUNDS: Final = 3
"""In which the coarse means beyond the border are restored."""


class Fading:
    """A fitted method for a scene that guides cover only partly.

    Attributes:
        method: What predicts where guidance is there.
    """

    uses_guide: ClassVar[bool] = True

    def __init__(self, method: FittedMethod) -> None:
        """Take over what the method says of itself, but for its reach."""
        self.method, self.scale = method, method.scale
        self.halo = method.halo + _REACH + (1 + _ROUNDS) * INTERPOLATION_REACH
        self.concurrent, self.device = method.concurrent, method.device

    def predict(self, tiles: Tiles) -> Tensor:
        """Predict, with a transition to interpolation where guides end; kelvin."""
        fine = self.method.predict(tiles)
        if tiles.guide is None or not tiles.guide.isnan().any():
            return fine
        gaps = tiles.guide.isnan()
        missing, nothing = gaps.any(dim=1, keepdim=True), gaps.all(dim=1, keepdim=True)
        seen = functional.avg_pool2d(fine, self.scale)
        covered = functional.avg_pool2d((~missing).to(fine.dtype), self.scale) >= LEAST_COVERED
        left = continued(tiles.lst - seen, covered)
        smooth = upsample_cubic(tiles.lst - left, self.scale)
        detail = fine - upsample_cubic(seen, self.scale)
        beyond = smooth + torch.where(nothing, 0.0, detail)
        fine = torch.where(missing, beyond, fine)
        for _ in range(_ROUNDS):  # so that conserving finds beyond the border what it finds before
            lost = tiles.lst - left - functional.avg_pool2d(fine, self.scale)
            lost = torch.where(covered, 0.0, lost)
            fine = torch.where(missing, fine + upsample_cubic(lost, self.scale), fine)
        return fine


def continued(values: Tensor, known: Tensor) -> Tensor:
    """Continue values beyond where they are known, fading to 0 within the kernel's reach.

    Args:
        values: ``(B, 1, h, w)``.
        known: The same shape.
    """
    weight = known.to(values.dtype)
    total, share = _spread(values * weight), _spread(weight)
    fades = (4 * share).clamp(max=1)
    return torch.where(known, values, fades * total / share.clamp(min=1e-6))


def _spread(planes: Tensor) -> Tensor:
    distance = torch.arange(-_REACH, _REACH + 1, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (distance / _SIGMA) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(planes, (_REACH,) * 4)
    down = sum(padded[..., i : i + planes.shape[-2], :] * k for i, k in enumerate(kernel.tolist()))
    assert isinstance(down, Tensor)
    both = sum(down[..., i : i + planes.shape[-1]] * k for i, k in enumerate(kernel.tolist()))
    assert isinstance(both, Tensor)
    return both
