"""Preparing guidance tiles: gaps inside a coarse pixel, means over coarse pixels."""

import torch
from torch import Tensor
from torch.nn import functional


def fill_within_coarse(guide: Tensor, scale: int) -> Tensor:
    """Fill missing fine pixels by the mean of the others in their coarse pixel.

    Args:
        guide: ``(B, G, s·h, s·w)``, NaN where missing.
        scale: ``s``.

    Returns:
        The same shape; NaN is left only in coarse pixels that hold no value of a band at all.
    """
    if not torch.isnan(guide).any():
        return guide
    means = coarse_means(guide, scale)
    spread = means.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)
    return torch.where(torch.isnan(guide), spread, guide)


def coarse_means(fine: Tensor, scale: int) -> Tensor:
    """Average the valid fine pixels of each coarse one.

    Args:
        fine: ``(B, C, s·h, s·w)``, NaN where missing.
        scale: ``s``.

    Returns:
        ``(B, C, h, w)``, NaN where a coarse pixel holds no valid one.
    """
    missing = torch.isnan(fine)
    if not missing.any():
        return functional.avg_pool2d(fine, scale)
    total = functional.avg_pool2d(torch.where(missing, 0.0, fine), scale)
    share = functional.avg_pool2d((~missing).to(fine.dtype), scale)
    return total / share  # 0 / 0 is NaN: nothing is known there
