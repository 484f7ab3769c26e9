"""HAUNet: a U of blocks that attend over channels, and over all pixels where maps are largest.

Wang, Wang, Wang, Zhao, Long, "Hybrid Attention-Based U-Shaped Network for Remote Sensing Image
Super-Resolution", IEEE TGRS 2023.

Channel attention asks which channels vary together over the map, so it costs little at any size;
the outer blocks compare every pixel with every other too. A cross-scale block lets the maps of the
U's three sizes look at each other before the way back up.

Ours gives the third map of the cross-scale block the projection of its own that the published
version makes and then passes by: the parameters are as many, and all of them learn. Pixels are
compared some rows of the table of all pairs at a time, and training makes those rows anew on the
way back: the values are the same. Widths are the benchmark's, the paper has `width=96`.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.upsample import SubPixelHead, bilinear

# Pairs of pixels, for each sample and head, that are compared at a time: so few that a processor's
# cache holds their scores.
PAIRS = 2**20


class HAUNet(nn.Module):
    """Downscale LST with a U-shaped network of hybrid attention.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features at all three sizes, a multiple of 2 and of `heads`.
        blocks: how many blocks at each size on the way down, and as many on the way up.
        heads: of the attention at full, half and quarter size.
        cross_heads: of the attention across sizes.
    """

    multiple_of: ClassVar[int] = 4
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 180,
        blocks: int = 5,
        heads: Sequence[int] = (1, 2, 4),
        cross_heads: int = 2,
    ) -> None:
        super().__init__()
        self.scale = scale
        full, half, quarter = heads
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.full_encoder = chain(blocks, width, full, spatial=True)
        self.half_encoder = chain(blocks, width, half)
        self.quarter_encoder = chain(blocks, width, quarter)
        self.to_half = nn.Conv2d(width, width, 2, stride=2)
        self.to_quarter = nn.Conv2d(width, width, 2, stride=2)
        self.lateral = CrossScale(width, cross_heads)
        self.quarter_decoder = chain(blocks, width, quarter)
        self.half_decoder = chain(blocks, width, half)
        self.full_decoder = chain(blocks, width, full, spatial=True)
        self.from_quarter = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.from_half = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.head = SubPixelHead(width, scale=scale)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        full = self.full_encoder(self.stem(lst))  # (B, F, h, w)
        half = self.half_encoder(self.to_half(full))  # (B, F, h/2, w/2)
        quarter = self.quarter_encoder(self.to_quarter(half))  # (B, F, h/4, w/4)
        full, half, quarter = self.lateral(full, half, quarter)
        quarter = self.quarter_decoder(quarter)
        half = self.half_decoder(half + self.from_quarter(quarter))
        full = self.full_decoder(full + self.from_half(half))
        detail: Tensor = self.head(full)  # (B, 1, sh, sw)
        return bilinear(lst, self.scale) + detail


def chain(blocks: int, width: int, heads: int, *, spatial: bool = False) -> nn.Sequential:
    """Build the attention blocks, with or without attention over all pixels."""
    make = HybridAttentionBlock if spatial else ChannelAttentionBlock
    return nn.Sequential(*(make(width, heads) for _ in range(blocks)))


class ChannelAttentionBlock(nn.Module):
    """Attend over channels, then pass each pixel through a gated layer, both beside a skip (CEM).

    Args:
        width: channels in and out.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.query_key_value = Projection(width, 3 * width)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(width, width, 1)
        self.weight = nn.Parameter(torch.zeros(width, 1, 1))
        self.feed_forward = GatedFeedForward(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        query, key, value = self.query_key_value(self.norm(features)).chunk(3, dim=1)
        fed: Tensor = self.feed_forward(features + self.attend(query, key, value))
        return fed

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what the attention adds to the features, (B, F, h, w)."""
        attended: Tensor = self.project(attend_channels(query, key, value, self.temperature))
        return self.weight * attended


class HybridAttentionBlock(ChannelAttentionBlock):
    """Attend over channels and, with the same query, key and value, over all pixels (SEM).

    Args:
        width: channels in and out.
        heads: of both attentions.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.pixel_temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.pixel_project = nn.Conv2d(width, width, 1)
        self.pixel_weight = nn.Parameter(torch.zeros(width, 1, 1))

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what both attentions add to the features, (B, F, h, w)."""
        attended = attend_pixels(query, key, value, self.pixel_temperature)
        over_pixels: Tensor = self.pixel_weight * self.pixel_project(attended)
        return super().attend(query, key, value) + over_pixels


class Projection(nn.Sequential):
    """Mix the channels and look at each one's neighbours: 1×1, then 3×3 depthwise convolution.

    Args:
        inputs: channels in.
        outputs: channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 1),
            nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs),
        )


class GatedFeedForward(nn.Module):
    """Multiply two projections of each pixel and add the product's projection.

    The simple gate of NAFNet (Chen et al., ECCV 2022); its weight starts at zero.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.project = nn.Conv2d(width, width, 1)
        self.weight = nn.Parameter(torch.zeros(width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        first, second = self.expand(self.norm(features)).chunk(2, dim=1)
        fed: Tensor = self.weight * self.project(first * second)
        return features + fed


class CrossScale(nn.Module):
    """Let maps of three sizes attend over the channels of all of them (CIM).

    Args:
        width: channels of each map.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ChannelNorm(width) for _ in range(3))
        self.key_value = Projection(3 * width, 6 * width)
        self.branches = nn.ModuleList(CrossScaleBranch(width, heads) for _ in range(3))

    def forward(self, full: Tensor, half: Tensor, quarter: Tensor) -> list[Tensor]:
        """Return the three maps, each (B, F, h/n, w/n) with n = 1, 2 and 4 as they came."""
        spread = [full, F.interpolate(half, scale_factor=2), F.interpolate(quarter, scale_factor=4)]
        normalized = [norm(features) for norm, features in zip(self.norms, spread, strict=True)]
        key, value = self.key_value(torch.cat(normalized, dim=1)).chunk(2, dim=1)  # (B, 3F, h, w)
        fused = [
            branch(features, query, key, value)
            for branch, features, query in zip(self.branches, spread, normalized, strict=True)
        ]
        full, half, quarter = fused
        return [full, half[..., ::2, ::2], quarter[..., ::4, ::4]]


class CrossScaleBranch(nn.Module):
    """Ask the channels of all sizes with the query of one.

    Args:
        width: channels of the one.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = Projection(width, width)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(width, width, 1)
        self.weight = nn.Parameter(torch.zeros(width, 1, 1))
        self.feed_forward = GatedFeedForward(width)

    def forward(self, features: Tensor, normalized: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return (B, F, h, w) for such features, them normalized, and (B, 3F, h, w) of all."""
        attended = attend_channels(self.query(normalized), key, value, self.temperature)
        fed: Tensor = self.feed_forward(features + self.weight * self.project(attended))
        return fed


def attend_channels(query: Tensor, key: Tensor, value: Tensor, temperature: Tensor) -> Tensor:
    """Mix the channels of the value by how alike those of query and key lie over the map.

    Key and value are (B, K, h, w), the query and the result (B, C, h, w); the temperature is
    (heads, 1, 1).
    """
    shape, heads = query.shape, len(temperature)
    query = F.normalize(split_heads(query, heads), dim=-1)  # (B, heads, C/heads, N)
    key = F.normalize(split_heads(key, heads), dim=-1)  # (B, heads, K/heads, N)
    return mix(query, key, split_heads(value, heads), temperature).reshape(shape)


def attend_pixels(query: Tensor, key: Tensor, value: Tensor, temperature: Tensor) -> Tensor:
    """Mix the pixels of the value by how alike those of query and key are.

    Query, key, value and result are (B, C, h, w), the temperature is (heads, 1, 1).
    """
    shape, heads = query.shape, len(temperature)
    query, key, value = (split_heads(features, heads).mT for features in (query, key, value))
    query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)  # (B, heads, N, C/heads)
    mixed = torch.empty_like(value)  # all rows at once: kept one by one, they would part the memory
    step = max(1, PAIRS // value.shape[2])
    for first in range(0, value.shape[2], step):
        rows = slice(first, first + step)
        mixed[:, :, rows] = mix_anew(query[:, :, rows], key, value, temperature)
    return mixed.mT.reshape(shape)


def mix_anew(query: Tensor, key: Tensor, value: Tensor, temperature: Tensor) -> Tensor:
    """Mix as `mix` does, and where gradients are wanted make the weights twice to keep none."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        mixed: Tensor = checkpoint(
            mix, query, key, value, temperature, use_reentrant=False, preserve_rng_state=False
        )
        return mixed
    return mix(query, key, value, temperature)


def mix(query: Tensor, key: Tensor, value: Tensor, temperature: Tensor) -> Tensor:
    """Mix rows of the value (B, heads, K, N) by how alike rows of query and key are.

    Rows that point apart count as those at right angles do. The query and the result are
    (B, heads, C, N), key and value (B, heads, K, N).
    """
    weights = torch.softmax(F.relu(query @ key.mT * temperature), dim=-1)
    return weights @ value


def split_heads(features: Tensor, heads: int) -> Tensor:
    """Turn (B, C, h, w) features into (B, heads, C/heads, h·w)."""
    batch, channels, height, width = features.shape
    return features.reshape(batch, heads, channels // heads, height * width)
