"""Prepare guidance tiles: fill gaps inside coarse pixels, average over coarse pixels."""

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
    missing = torch.isnan(guide)
    if _none_of(missing):
        return guide
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
    missing = torch.isnan(fine)
    if _none_of(missing):
        return functional.avg_pool2d(fine, scale)
    total = functional.avg_pool2d(torch.where(missing, 0.0, fine), scale)
    share = functional.avg_pool2d((~missing).to(fine.dtype), scale)
    return total / share  # 0 / 0 is NaN: nothing is known there


def _none_of(missing: Tensor) -> bool:
    """Return whether nothing is missing; always False on a GPU, where checking would wait.

    There missing values are always handled, with the same result.
    """
    return missing.device.type == "cpu" and not missing.any()
