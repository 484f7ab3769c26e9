"""Windows: squares of a map whose cells attend to each other.

After Liu et al., "Swin Transformer", ICCV 2021. Masks and offsets follow from the sizes alone and
are made as they are needed: nothing that depends on a map's size is kept in a network.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def to_windows(features: Tensor, size: int) -> Tensor:
    """Cut (B, C, H, W) features into N windows of size² tokens (B, N, size², C), row by row."""
    batch, channels, height, width = features.shape
    cut = features.reshape(batch, channels, height // size, size, width // size, size)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, size**2, channels)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """Lay windows (B, N, size², C) out as features (B, C, height, width) again."""
    batch, _, tokens, channels = windows.shape
    size = math.isqrt(tokens)
    cut = windows.reshape(batch, height // size, width // size, size, size, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)


def neighbours(features: Tensor, size: int, down: int, right: int) -> Tensor:
    """Tell which cells of a window are neighbours on the map, and not on its opposite edges.

    Args:
        features: (B, C, H, W), rolled up and left.
        size: rows and columns of a window.
        down: how many rows came from the top to the bottom.
        right: how many columns came from the left to the right.

    Returns:
        Whether each token may look at each, (N, size², size²).
    """
    height, width = features.shape[-2:]
    low = torch.arange(height, device=features.device) >= height - down
    far = torch.arange(width, device=features.device) >= width - right
    regions = to_windows((2 * low[:, None] + far)[None, None], size)[0]  # (N, size², 1)
    return regions == regions.transpose(1, 2)


class RelativePositionBias(nn.Module):
    """Hold what each head adds to the scores of two cells that lie so far apart.

    Args:
        size: rows and columns of a window.
        heads: attention heads.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.size = size
        self.table = nn.Parameter(torch.empty(heads, 2 * size - 1, 2 * size - 1))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self) -> Tensor:
        """Return the biases (heads, size², size²) of each token for each."""
        places = torch.arange(self.size, device=self.table.device)
        apart = places[:, None] - places + self.size - 1
        biases = self.table[:, apart[:, None, :, None], apart[None, :, None, :]]
        return biases.flatten(3).flatten(1, 2)


class WindowAttention(nn.Module):
    """Let the tokens of each window look at each other, aware of how they lie.

    Args:
        channels: channels in and out.
        heads: attention heads of channels // heads each; a remainder is left out inside.
        size: rows and columns of a window.
        bias: whether the linear layers have one.
    """

    def __init__(self, channels: int, *, heads: int, size: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        inside = channels // heads * heads
        self.query_key_value = nn.Linear(channels, 3 * inside, bias=bias)
        self.position_bias = RelativePositionBias(size, heads)
        self.project = nn.Linear(inside, channels, bias=bias)

    def forward(self, windows: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Return (B, N, T, C) for windows (B, N, T, C); each may look as (N, T, T) allows."""
        batch, count, tokens, _ = windows.shape
        parts = self.query_key_value(windows.flatten(0, 1)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B·N, heads, T, C/heads) each
        bias = self.position_bias()[None]
        if allowed is not None:
            bias = torch.where(allowed[:, None], bias, -torch.inf).repeat(batch, 1, 1, 1)
        query, key = self.scaled(query, key)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, scale=1.0
        )
        joined = attended.transpose(1, 2).reshape(batch, count, tokens, -1)
        projected: Tensor = self.project(joined)
        return projected

    def scaled(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return query and key so that their product is the score."""
        return query * query.shape[-1] ** -0.5, key


def attend_in_windows(attention: WindowAttention, features: Tensor, *, shift: int) -> Tensor:
    """Let cells attend in windows moved down and right by so many cells, cut at the map's edges.

    A map that one window covers is cut in four by moved windows, as published codes do.

    Args:
        attention: among the tokens of a window.
        features: (B, C, H, W), height and width multiples of the window's.
        shift: how far the windows move.

    Returns:
        Features (B, C, H, W).
    """
    rolled = features.roll((-shift, -shift), (2, 3))
    allowed = neighbours(rolled, attention.size, shift, shift) if shift else None
    attended = attention(to_windows(rolled, attention.size), allowed)
    return from_windows(attended, *features.shape[-2:]).roll((shift, shift), (2, 3))
