"""Windows: rectangles of a map whose cells attend to each other.

After Liu et al., "Swin Transformer", ICCV 2021. Masks and offsets follow from the sizes alone and
are made as they are needed: nothing that depends on a map's size is kept in a network.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

Size = int | tuple[int, int]
"""Rows and columns of a window, or one number for both."""


def sides(size: Size) -> tuple[int, int]:
    """Return a window's rows and columns."""
    return (size, size) if isinstance(size, int) else size


def to_windows(features: Tensor, size: Size) -> Tensor:
    """Cut (B, C, H, W) features into N windows of T tokens (B, N, T, C), row by row."""
    batch, channels, height, width = features.shape
    rows, columns = sides(size)
    cut = features.reshape(batch, channels, height // rows, rows, width // columns, columns)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, rows * columns, channels)


def from_windows(windows: Tensor, height: int, width: int, rows: int | None = None) -> Tensor:
    """Lay windows (B, N, T, C) out as features (B, C, height, width) again.

    Windows of T tokens are squares, unless it is said how many rows they have.
    """
    batch, _, tokens, channels = windows.shape
    rows = rows or math.isqrt(tokens)
    columns = tokens // rows
    cut = windows.reshape(batch, height // rows, width // columns, rows, columns, channels)
    laid = cut.transpose(2, 3).reshape(batch, height, width, channels)
    return laid.permute(0, 3, 1, 2)


def moved(features: Tensor, down: int, right: int) -> Tensor:
    """Roll (B, C, H, W) features down and right by some pixels; they wrap around."""
    return features.roll((down, right), (2, 3)) if down or right else features


def neighbours(features: Tensor, size: Size, down: int, right: int) -> Tensor:
    """Tell which cells of a window are neighbours on the map, and not on its opposite edges.

    Args:
        features: (B, C, H, W), rolled up and left.
        size: rows and columns of a window.
        down: how many rows came from the top to the bottom.
        right: how many columns came from the left to the right.

    Returns:
        Whether each of a window's T tokens may look at each, (N, T, T).
    """
    height, width = features.shape[-2:]
    low = torch.arange(height, device=features.device) >= height - down
    far = torch.arange(width, device=features.device) >= width - right
    regions = to_windows((2 * low[:, None] + far)[None, None], size)[0]  # (N, T, 1)
    return regions == regions.transpose(1, 2)


def cut_off(bias: Tensor, allowed: Tensor, batch: int) -> Tensor:
    """Shut out of attention what is not allowed.

    Args:
        bias: (heads, Q, K), what is added to the scores of queries and keys in any window.
        allowed: (N, Q, K), whether each query of each window may look at each key.
        batch: how many samples there are.

    Returns:
        (batch·N, heads, Q, K), what is added to the scores.
    """
    biases = torch.where(allowed[:, None], bias, -torch.inf)
    return biases.expand(batch, -1, -1, -1, -1).flatten(0, 1)


def between_cells(table: Tensor) -> Tensor:
    """Look up what belongs to each pair of a window's cells by how far they lie apart.

    Args:
        table: (heads, 2 · rows - 1, 2 · columns - 1), with that of a cell and itself amid it.

    Returns:
        (heads, T, T), of each of a window's T tokens for each.
    """
    down, right = (_apart(length // 2 + 1, table.device) for length in table.shape[1:])
    pairs = table[:, down[:, None, :, None], right[None, :, None, :]]
    return pairs.flatten(3).flatten(1, 2)


def _apart(side: int, device: torch.device) -> Tensor:
    """Return where a table has it of each of so many places for each, (side, side)."""
    places = torch.arange(side, device=device)
    return places[:, None] - places + side - 1


class RelativePositionBias(nn.Module):
    """Hold what each head adds to the scores of two cells that lie so far apart.

    Args:
        size: rows and columns of a window.
        heads: attention heads.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(heads, 2 * size - 1, 2 * size - 1))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self) -> Tensor:
        """Return the biases (heads, size², size²) of each token for each."""
        return between_cells(self.table)


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
        bias = self.position_bias()
        bias = bias[None] if allowed is None else cut_off(bias, allowed, batch)
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
    """Let pixels attend in windows shifted down and right, cut at the map's edges.

    A map that one window covers is cut in four by moved windows, as published codes do.

    Args:
        attention: among the tokens of a window.
        features: (B, C, H, W), height and width multiples of the window's.
        shift: how far the windows move.

    Returns:
        Features (B, C, H, W).
    """
    rolled = moved(features, -shift, -shift)
    allowed = neighbours(rolled, attention.size, shift, shift) if shift else None
    attended = attention(to_windows(rolled, attention.size), allowed)
    return moved(from_windows(attended, *features.shape[-2:]), shift, shift)
