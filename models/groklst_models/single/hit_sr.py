"""HiT-SR: windows grow from layer to layer, and correlations without softmax keep them cheap.

Zhang, Zhang, Yu, "HiT-SR: Hierarchical Transformer for Efficient Image Super-Resolution",
ECCV 2024, https://arxiv.org/abs/2407.05878.

The layers of a group look through windows that grow from 4 to 64 cells a side. In each, cells are
compared with a small grid of values that stand for the whole window, and channels with each other,
so that the cost grows with the window's area alone. Three networks are made hierarchical like that:
SwinIR (HiT-SIR), NGswin, whose windows hear of their neighbours (HiT-SNG), and SRFormer, whose
feed-forward part has a convolution (HiT-SRF).

Ours differs from the published code in that it takes a map of any size: where one mirror does not
fill the last windows, it mirrors again. All else gives the published values in another order. As no
softmax stands between, a window's values meet each other before they meet the queries, and no table
compares all its cells; position biases are averaged over squares of cells before they are looked
up; and of windows that HiT-SNG mirrors whole only what they say to their neighbours is computed.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.convolved_mlp import ConvolvedMLP
from groklst_models.blocks.mirror import mirrored
from groklst_models.blocks.ngram import NGramContext
from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.position_network import PositionNetwork
from groklst_models.blocks.swin_frame import EPSILON, SwinFrame
from groklst_models.blocks.tokens import TokenMLP, start_small, to_map, to_tokens
from groklst_models.blocks.window import WindowAttention, from_windows, to_windows

Form = Literal["sir", "sng", "srf"]

NGRAM = 2
"""Rows and columns of windows in a gram."""


class HiTSR(SwinFrame):
    """Downscale LST with correlations in windows that grow from layer to layer.

    Args:
        scale: how many times finer the output is than the LST.
        form: which network is made hierarchical: SwinIR, NGswin or SRFormer.
        width: channels of the features, a multiple of twice the heads.
        groups: how many groups of layers.
        heads: into how many parts channels are cut where cells are compared.
        windows: rows and columns of a window, in coarse pixels, for each layer of a group.
        grid: the most rows and columns of values that stand for a window; a larger window's are a
            multiple of it.
        mlp_ratio: how many times wider the hidden layer of a cell's network is.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        form: Form,
        width: int = 60,
        groups: int = 4,
        heads: int = 6,
        windows: Sequence[int] = (4, 8, 16, 32, 48, 64),
        grid: int = 8,
        mlp_ratio: int = 2,
    ) -> None:
        mlp = ConvolvedMLP if form == "srf" else CellMLP
        super().__init__(
            width,
            groups * [len(windows)],
            lambda _, layer, __: HierarchicalLayer(
                width,
                Correlation(width, heads, windows[layer], grid, has_context=form == "sng"),
                mlp(width, mlp_ratio * width),
            ),
            scale=scale,
            head_width=None,
            drop_path=0.0,
        )
        self.apply(start_small)


class HierarchicalLayer(nn.Module):
    """Add what cells and channels see in a window, then each cell's network; both normalized.

    Args:
        width: channels in and out.
        correlation: takes and returns features (B, C, H, W).
        mlp: takes and returns features (B, C, H, W).
    """

    def __init__(self, width: int, correlation: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.correlation = correlation
        self.correlation_norm = ChannelNorm(width, epsilon=EPSILON)
        self.mlp = mlp
        self.mlp_norm = ChannelNorm(width, epsilon=EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        features = features + self.correlation_norm(self.correlation(features))
        residual: Tensor = self.mlp_norm(self.mlp(features))
        return features + residual


class CellMLP(nn.Module):
    """Pass each cell through two linear layers with GELU between them.

    Args:
        channels: channels in and out.
        hidden: channels of the hidden layer.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.tokens = TokenMLP(channels, hidden)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        return to_map(self.tokens(to_tokens(features)), *features.shape[-2:])


class Correlation(nn.Module):
    """Let the cells of each window see a summary of its values, and its channels each other (SCC).

    The map is mirrored below and on the right to whole windows.

    Args:
        width: channels in and out.
        heads: into how many parts channels are cut where cells are compared.
        size: rows and columns of a window.
        grid: the most rows and columns of a summary.
        has_context: whether windows hear of their neighbours.
    """

    def __init__(self, width: int, heads: int, size: int, grid: int, *, has_context: bool) -> None:
        super().__init__()
        if size > grid and size % grid:
            raise ValueError(f"a window of {size} is not a multiple of a grid of {grid}")
        self.heads = heads
        self.size = size
        self.square = max(1, size // grid)  # rows and columns of cells that one value stands for
        self.features = GatedFeatures(width)
        self.context = window_context(width, heads, size) if has_context else None
        self.summary = nn.Linear(self.square**2, 1)
        self.position = PositionNetwork(width // 16, heads)
        self.project = nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        height, width = features.shape[-2:]
        windows = self.windows(features)  # (B, N, T, C)
        query, value = windows.chunk(2, dim=3)  # (B, N, T, C/2) each
        seen = torch.cat([self.see_cells(query, value), see_channels(query, value)], dim=3)
        whole = (up_to(side, self.size) for side in (height, width))
        cells = from_windows(seen, *whole)[..., :height, :width]
        projected: Tensor = self.project(cells.permute(0, 2, 3, 1))
        return projected.permute(0, 3, 1, 2)

    def windows(self, features: Tensor) -> Tensor:
        """Cut what is made of (B, C, H, W) features in windows (B, N, T, C) that cover them."""
        height, width = features.shape[-2:]
        rows, columns = up_to(height, self.size), up_to(width, self.size)
        if self.context is None:
            return to_windows(self.features(mirrored(features, rows, columns)), self.size)
        gram = NGRAM * self.size
        made = self.features(mirrored(features, up_to(height, gram), up_to(width, gram)))
        heard = self.context(made)[..., : rows // self.size, : columns // self.size]
        return to_windows(made[..., :rows, :columns], self.size) + to_tokens(heard)[:, :, None]

    def see_cells(self, query: Tensor, value: Tensor) -> Tensor:
        """Sum a window's summary by how its values meet each cell's query and how they lie.

        Scores are a head's products over its channels plus the position bias. As nothing stands
        between them and the sum, values meet values first, which is cheaper.

        Args:
            query: (B, N, T, C/2).
            value: (B, N, T, C/2).

        Returns:
            Sums (B, N, T, C/2).
        """
        summary = self.summarized(value)  # (B, N, M², C/2)
        channels = summary.shape[3] // self.heads
        head = torch.arange(summary.shape[3], device=summary.device) // channels
        met = summary.mT @ summary * (head[:, None] == head) / channels  # (B, N, C/2, C/2)
        return query @ met + self.placed(summary)

    def summarized(self, value: Tensor) -> Tensor:
        """Return one value for each square of cells, (B, N, M², C/2), of (B, N, T, C/2)."""
        batch, count, _, channels = value.shape
        across, square = self.size // self.square, self.square
        squares = value.reshape(batch, count, across, square, across, square, channels)
        weights = self.summary.weight.reshape(square, square)
        summed: Tensor = torch.einsum("bnirjsc,rs->bnijc", squares, weights)
        return summed.flatten(2, 3) + self.summary.bias

    def placed(self, summary: Tensor) -> Tensor:
        """Sum a summary (B, N, M², C/2) by where its squares lie from each cell, (B, N, T, C/2)."""
        batch, count, squares, channels = summary.shape
        parts = summary.reshape(batch * count, squares, self.heads, channels // self.heads)
        parts = parts.permute(2, 0, 3, 1).flatten(1, 2)  # (heads, B·N·c, M²)
        sums = parts @ self.position_bias()  # (heads, B·N·c, T)
        sums = sums.reshape(self.heads, batch, count, channels // self.heads, self.size**2)
        return sums.permute(1, 2, 4, 0, 3).flatten(3)

    def position_bias(self) -> Tensor:
        """Return each head's mean bias between a square and a cell, (heads, M², T).

        A square's biases are the table of means, moved by the square's place.
        """
        side, square = self.size, self.square
        apart = torch.arange(1 - side, side, device=self.summary.weight.device)
        offsets = torch.cartesian_prod(apart, apart).to(self.summary.weight.dtype)
        table: Tensor = self.position(offsets).contiguous()
        table = table.reshape(self.heads, 2 * side - 1, 2 * side - 1)
        for across in ((square, 1), (1, square)):
            table = functional.avg_pool2d(table, across, stride=1)
        moved = table.unfold(1, side, square).unfold(2, side, square)  # the last square first
        return moved.flip(1, 2).reshape(self.heads, -1, side**2)


def see_channels(query: Tensor, value: Tensor) -> Tensor:
    """Mix a cell's channels by how those of query and value go together over the window.

    Args:
        query: (B, N, T, C).
        value: (B, N, T, C).

    Returns:
        Channels (B, N, T, C).
    """
    alike = query.mT @ (value / value.shape[2])  # (B, N, C, C)
    return value @ alike.mT


def up_to(side: int, multiple: int) -> int:
    """Return the first multiple that is not smaller than a side."""
    return -(-side // multiple) * multiple


class GatedFeatures(nn.Module):
    """Make queries and values of each cell and its neighbours, gated by the cell itself (DFE).

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Sequential(
            nn.Conv2d(width, width // 5, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width // 5, width // 5, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width // 5, width, 1),
        )
        self.gate = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        gated: Tensor = self.near(features) * self.gate(features)
        return gated


class PairWord(nn.Module):
    """Make a word of each window, with a channel for each two neighbouring channels of the map.

    Args:
        size: rows and columns of a window.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, size, stride=size)

    def forward(self, features: Tensor) -> Tensor:
        """Return words (B, C/2, H/size, W/size) for features (B, C, H, W)."""
        batch, channels, height, width = features.shape
        words: Tensor = self.conv(features.reshape(batch * channels // 2, 2, height, width))
        return words.reshape(batch, channels // 2, *words.shape[2:])


def window_context(width: int, heads: int, size: int) -> NGramContext:
    """Build the layers that tell windows of their neighbours."""
    attention = WindowAttention(width // 2, heads=heads, size=NGRAM)
    return NGramContext(width, word=PairWord(size), attention=attention)
