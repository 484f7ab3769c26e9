"""Continuing a map beyond its last row and column by mirrors."""

import torch
from torch import Tensor


def mirrored(features: Tensor, height: int, width: int) -> Tensor:
    """Continue (B, C, H, W) features below and on the right to (B, C, height, width).

    The last row and column are the mirrors and are not repeated. Where a map is too small for
    what is missing it is mirrored at its first row or column again, and so on.
    """
    for side, length in ((1, height), (2, width)):
        cells = features.permute(0, 2, 3, 1)  # channels lie together after a normalization
        if cells.shape[side] < length:
            places = _places(cells.shape[side], length, features.device)
            features = cells.index_select(side, places).permute(0, 3, 1, 2)
    return features


def _places(size: int, length: int, device: torch.device) -> Tensor:
    """Return which of ``size`` rows each row of a longer, mirrored map repeats."""
    period = max(1, 2 * (size - 1))
    place = torch.arange(length, device=device) % period
    return torch.minimum(place, period - place) if size > 1 else place
