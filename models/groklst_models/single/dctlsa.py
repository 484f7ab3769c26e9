"""DCTLSA: linear attention in windows, and each block hears all blocks before it.

Zeng, Lin, Yan, Fang, "Densely Connected Transformer With Linear Self-Attention for Lightweight
Image Super-Resolution", IEEE TIM 2023, https://doi.org/10.1109/TIM.2023.3304672.

Each window sums its cells up once, in a small matrix for each head, and every cell reads from that,
so the cost grows with the number of cells and not with its square. Dense connections carry the
features of all depths to each block and to the end, where they are fused.

Ours differs from the published code in two ways. Each pixel's channels are normalized by
themselves, not over the batch, with the same parameters. And windows that are moved by half are
cut off at the map's edges; they do not go on at the opposite edge. The local convolutions before
them do, as in the published code: they look over the edges and not over a seam half a window in.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.tokens import TokenMLP, to_map, to_tokens
from groklst_models.blocks.upsample import SubPixelHead
from groklst_models.blocks.window import from_windows, to_windows

_EPSILON = 1e-5  # added to the variance by every normalization


class DCTLSA(nn.Module):
    """Downscale LST with densely connected linear attention.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of the heads.
        blocks: how many blocks are densely connected.
        groups: groups in a block, of two layers each.
        heads: attention heads of a layer.
        window: rows and columns of a window, in coarse pixels, even.
        mlp_ratio: how many times wider the hidden layer of a token's network is.
    """

    multiple_of: int
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 55,
        blocks: int = 6,
        groups: int = 2,
        heads: int = 5,
        window: int = 16,
        mlp_ratio: int = 2,
    ) -> None:
        super().__init__()
        self.multiple_of = window
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.joins = nn.ModuleList(Join(width, known) for known in range(2, blocks + 1))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(LinearAttentionGroup(width, heads, window, mlp_ratio) for _ in range(groups))
            )
            for _ in range(blocks)
        )
        self.fuse = nn.Sequential(Join(width, blocks), nn.Conv2d(width, width, 3, padding=1))
        self.head = SubPixelHead(width, scale=scale)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        known = [shallow, self.blocks[0](shallow)]
        for join, block in zip(self.joins, self.blocks[1:], strict=True):
            known.append(block(join(torch.cat(known, dim=1))))
        deep = self.fuse(torch.cat(known[1:], dim=1))
        fine: Tensor = self.head(shallow + deep)  # (B, 1, sh, sw)
        return fine


class Join(nn.Sequential):
    """Mix several maps, concatenated, to one.

    Args:
        width: channels of each map.
        maps: how many maps come in.
    """

    def __init__(self, width: int, maps: int) -> None:
        super().__init__(nn.Conv2d(maps * width, width, 1), nn.LeakyReLU(0.05))


class LinearAttentionGroup(nn.Sequential):
    """Normalize, then attend in windows twice: as they lie, and moved by half.

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window.
        mlp_ratio: of the layers.
    """

    def __init__(self, width: int, heads: int, window: int, mlp_ratio: int) -> None:
        super().__init__(
            ChannelNorm(width, epsilon=_EPSILON),
            LinearAttentionLayer(width, heads, window, mlp_ratio, shift=0),
            LinearAttentionLayer(width, heads, window, mlp_ratio, shift=window // 2),
        )


class LinearAttentionLayer(nn.Module):
    """Look at the near neighbours, then at the window, then at each token alone.

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window.
        mlp_ratio: how many times wider the hidden layer of a token's network is.
        shift: how far the windows move, half a window or nothing.
    """

    def __init__(self, width: int, heads: int, window: int, mlp_ratio: int, *, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.near = nn.Sequential(
            ChannelNorm(width, epsilon=_EPSILON),
            nn.Conv2d(width, width, 1, bias=False),
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            ChannelNorm(width, epsilon=_EPSILON),
            nn.Conv2d(width, width, 1, bias=False),
        )
        self.attention = LinearAttention(width, heads=heads, window=window, shift=shift)
        self.mlp = TokenMLP(width, mlp_ratio * width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        features = features + self.look_near(features)
        features = features + self.attention(features)
        tokens = self.mlp(to_tokens(features))
        return features + to_map(tokens, *features.shape[-2:])

    def look_near(self, features: Tensor) -> Tensor:
        """Return what the local convolutions make of the map, rolled as far as windows move."""
        near: Tensor = self.near(features.roll((-self.shift, -self.shift), (2, 3)))
        return near.roll((self.shift, self.shift), (2, 3))


class LinearAttention(nn.Module):
    """Sum each window up by its keys, and let each cell's query read from the sum (LSA).

    Args:
        width: channels in and out.
        heads: attention heads.
        window: rows and columns of a window.
        shift: how far the windows move, half a window or nothing.
    """

    def __init__(self, width: int, *, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.shift = shift
        self.query_key_value = nn.Conv2d(width, 3 * width, 1)
        self.project = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        query, key, value = self.query_key_value(features).chunk(3, dim=1)
        around = 4 * (self.shift,)
        query = self.to_heads(functional.pad(query, around))  # (B, N, heads, T, C/heads)
        key = self.to_heads(functional.pad(key, around, value=-torch.inf))  # weighs nothing
        value = self.to_heads(functional.pad(value, around))
        summary = key.softmax(dim=-2).transpose(-1, -2) @ value  # (B, N, heads, C/h, C/h)
        attended = (query * query.shape[-1] ** -0.5) @ summary
        height, width = features.shape[-2:]
        windows = attended.transpose(2, 3).flatten(3)  # (B, N, T, C)
        padded = from_windows(windows, height + 2 * self.shift, width + 2 * self.shift)
        inside = padded[..., self.shift :, self.shift :][..., :height, :width]
        projected: Tensor = self.project(inside)
        return projected

    def to_heads(self, features: Tensor) -> Tensor:
        """Cut (B, C, H, W) features into windows and heads (B, N, heads, T, C/heads)."""
        windows = to_windows(features, self.window)
        return windows.reshape(*windows.shape[:3], self.heads, -1).transpose(2, 3)
