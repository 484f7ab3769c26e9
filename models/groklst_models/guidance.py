"""Prepare guidance tiles: fill gaps inside coarse pixels, average over coarse pixels."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def fill_within_coarse(guide: Tensor, scale: int) -> Tensor:
    """Fill missing fine pixels by the mean of the others in their coarse pixel.

    Args:
        guide: ``(B, G, s·h, s·w)``, NaN where missing.
        scale: ``s``.

    Returns:
        The same shape; NaN remains only in coarse pixels without any value of a band.
    """
    if _is_whole(guide):
        return guide
    missing = torch.isnan(guide)
    means = coarse_means(guide, scale)
    spread = means.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)
    return torch.where(missing, spread, guide)


def coarse_means(fine: Tensor, scale: int) -> Tensor:
    """Average the valid fine pixels of each coarse one.

    Args:
        fine: ``(B, C, s·h, s·w)``, NaN where missing.
        scale: ``s``.

    Returns:
        ``(B, C, h, w)``, NaN where a coarse pixel has no valid fine pixel.
    """
    if _is_whole(fine):
        return functional.avg_pool2d(fine, scale)
    missing = torch.isnan(fine)
    total = functional.avg_pool2d(torch.where(missing, 0.0, fine), scale)
    share = functional.avg_pool2d((~missing).to(fine.dtype), scale)
    return total / share  # 0 / 0 is NaN: nothing is known there


def _is_whole(values: Tensor) -> bool:
    """Return whether surely nothing is missing; always False on a GPU, where checking would wait.

    There missing values are always handled, with the same result. A sum is NaN if a value is.
    """
    return values.device.type == "cpu" and math.isfinite(values.detach().sum())
