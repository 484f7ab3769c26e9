"""OmniSR: attention among cells and among channels, near in windows and far on grids.

Wang, Chen, Ni, Liu, Liu, "Omni Aggregation Networks for Lightweight Image Super-Resolution",
CVPR 2023, https://arxiv.org/abs/2304.10244.

Attention among cells says where to look, attention among channels says what belongs together, and
each block uses both. It does so at three ranges: a convolution for the nearest cells, windows of
8 × 8 neighbours, and grids of 8 × 8 cells that are spread over the whole map.

Ours differs from the published code in three ways. The gate inside the convolution has biases,
1,600 parameters more. The map's size is brought to a multiple of 8 before the network, by repeating
its last row and column and not by zeros. And maps smaller than 17 × 17, which the published code
refuses, pass: the gate that ends a group pools them as far as they go.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.attention import ChannelAttention, EnhancedSpatialAttention
from groklst_models.blocks.gated_feed_forward import GatedFeedForward
from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.upsample import SubPixelHead
from groklst_models.blocks.window import WindowAttention, from_windows, to_windows


class OmniSR(nn.Module):
    """Downscale LST with attention in all directions: cells and channels, near and far.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of 4 and of the heads.
        groups: how many groups of blocks.
        blocks: blocks in a group; the paper's light model has one.
        heads: attention heads.
        window: rows and columns of a window, in coarse pixels, and of a grid.
    """

    multiple_of: int
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        groups: int = 5,
        blocks: int = 4,
        heads: int = 4,
        window: int = 8,
    ) -> None:
        super().__init__()
        self.multiple_of = window
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.groups = nn.Sequential(
            *(OmniGroup(width, blocks, heads, window) for _ in range(groups))
        )
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.head = SubPixelHead(width, scale=scale)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        deep = self.conv(self.groups(shallow))
        fine: Tensor = self.head(shallow + deep)  # (B, 1, sh, sw)
        return fine


class OmniGroup(nn.Module):
    """Chain blocks, add the input, and weigh the sum by what lies around (OSAG).

    Args:
        width: channels in and out.
        blocks: how many blocks.
        heads: attention heads.
        window: rows and columns of a window and of a grid.
    """

    def __init__(self, width: int, blocks: int, heads: int, window: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(OmniBlock(width, heads, window) for _ in range(blocks)))
        self.mix = nn.Conv2d(width, width, 1)
        self.attention = EnhancedSpatialAttention(width, hidden=max(16, width // 4), convolutions=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        aggregated: Tensor = self.attention(features + self.mix(self.blocks(features)))
        return aggregated


class OmniBlock(nn.Sequential):
    """Look near, in the window and over the map; there at cells first, then at channels (OSA).

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window and of a grid.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        steps: list[nn.Module] = [NearConvolution(width)]
        for grid in (False, True):
            steps += [
                CellAttention(width, heads, window, grid=grid),
                GatedFeedForward(width),
                WindowChannelAttention(width, heads, window, grid=grid),
                GatedFeedForward(width),
            ]
        super().__init__(*steps)


class NearConvolution(nn.Module):
    """Add a depthwise convolution between two 1×1 ones, gated for each channel.

    After MobileNetV3 (Howard et al., ICCV 2019), without expansion.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, groups=width),
            nn.GELU(),
            ChannelAttention(width, reduction=4, activation=nn.SiLU),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        residual: Tensor = self.steps(features)
        return features + residual


class CellAttention(nn.Module):
    """Add what the cells of each window, or of each grid, see in each other.

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window or grid.
        grid: whether the cells are spread over the map.
    """

    def __init__(self, width: int, heads: int, window: int, *, grid: bool) -> None:
        super().__init__()
        self.window = window
        self.grid = grid
        self.norm = ChannelNorm(width, epsilon=1e-5)
        self.attention = WindowAttention(width, heads=heads, size=window, bias=False)
        nn.init.normal_(self.attention.position_bias.table)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        windows = gather(self.norm(features), self.window, grid=self.grid)  # (B, N, T, C)
        attended = self.attention(windows)
        return features + scatter(attended, *features.shape[-2:], grid=self.grid)


class WindowChannelAttention(nn.Module):
    """Add what the channels see in each other, by their course over each window or grid.

    A grid here is all cells that have one place in their windows: size² grids of any length.

    Args:
        width: channels in and out.
        heads: groups of channels that see each other.
        window: rows and columns of a window, and from cell to cell of a grid.
        grid: whether the cells are spread over the map.
    """

    def __init__(self, width: int, heads: int, window: int, *, grid: bool) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.grid = grid
        self.norm = ChannelNorm(width)
        self.query_key_value = nn.Sequential(
            nn.Conv2d(width, 3 * width, 1, bias=False),
            nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False),
        )
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        parts = self.query_key_value(self.norm(features))  # (B, 3C, H, W)
        windows = self.transposed(to_windows(parts, self.window))  # (B, N, T, 3C)
        batch, count, cells, _ = windows.shape
        courses = windows.reshape(batch * count, cells, 3, self.heads, -1)
        query, key, value = courses.permute(2, 0, 3, 4, 1)  # (B·N, heads, C/heads, T) each
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        attended = functional.scaled_dot_product_attention(
            query * self.temperature, key, value, scale=1.0
        )
        attended = attended.flatten(1, 2).transpose(1, 2).reshape(batch, count, cells, -1)
        spread = from_windows(self.transposed(attended), *features.shape[-2:])
        residual: Tensor = self.project(spread)
        return features + residual

    def transposed(self, windows: Tensor) -> Tensor:
        """Turn windows (B, N, T, C) to grids (B, T, N, C) and back, where cells are spread."""
        return windows.transpose(1, 2) if self.grid else windows


def gather(features: Tensor, size: int, *, grid: bool) -> Tensor:
    """Cut (B, C, H, W) features into windows or grids of size² tokens, (B, N, size², C)."""
    return to_windows(regroup(features, size, size) if grid else features, size)


def scatter(windows: Tensor, height: int, width: int, *, grid: bool) -> Tensor:
    """Lay windows or grids (B, N, size², C) out as features (B, C, height, width) again."""
    features = from_windows(windows, height, width)
    size = math.isqrt(windows.shape[2])
    return regroup(features, height // size, width // size) if grid else features


def regroup(features: Tensor, rows: int, columns: int) -> Tensor:
    """Bring together the cells that have one place in rows × columns equal parts of the map.

    With as many rows and columns as the parts have cells, this puts them back.
    """
    batch, channels, height, width = features.shape
    parts = features.reshape(batch, channels, rows, height // rows, columns, width // columns)
    return parts.transpose(2, 3).transpose(4, 5).reshape(features.shape)
