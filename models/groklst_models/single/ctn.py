"""CTNet: cheap convolutions that gather context first and transform it second.

Wang, Zhou, Lu, Di, "Contextual Transformation Network for Lightweight Remote-Sensing Image
Super-Resolution", IEEE TGRS 2022.

A layer makes half of its channels by a 1×1 convolution that its surroundings gate, and the other
half from those by a depthwise one. Blocks of two layers alternate with spatial attention that sees
far, and a little of every block's result goes to the end.

Ours leaves out two convolutions of every layer's gate that the published version counts but never
uses, so it has 347,073 parameters at ×2 where that has 400,321, and 53,248 fewer at ×4 too. At ×8
it doubles a third time. The cells that surroundings are pooled to end with the map at its edges.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.attention import EnhancedSpatialAttention
from groklst_models.blocks.upsample import bilinear


class CTNet(nn.Module):
    """Downscale LST with contextual transformation layers.

    Args:
        scale: how many times finer the output is than the LST, a power of two.
        width: channels of the features, a multiple of 4 and of the number of blocks.
        blocks: how many blocks; each hands a like share of `width` channels to the end.
        fine_width: channels of the features while they are enlarged.
        hidden: channels that the spatial attention works with.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        blocks: int = 16,
        fine_width: int = 24,
        hidden: int = 16,
    ) -> None:
        super().__init__()
        self.scale = scale
        share = width // blocks
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        blocks_after = (
            nn.Sequential(
                EnhancedSpatialAttention(width, hidden=hidden), TransformationBlock(width)
            )
            for _ in range(blocks - 1)
        )
        self.blocks = nn.ModuleList([TransformationBlock(width), *blocks_after])
        self.shares = nn.ModuleList(
            nn.Conv2d(width, share, 3, padding=1, groups=share, bias=False) for _ in range(blocks)
        )
        self.aggregation = nn.Conv2d(share * blocks, width, 1)
        steps = int(math.log2(scale))
        widths = [width, *[fine_width] * steps]
        self.tail = nn.Sequential(
            *(Doubling(inputs, outputs) for inputs, outputs in pairwise(widths)),
            nn.Conv2d(fine_width, 1, 3, padding=1),
        )

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        stem = self.stem(lst)  # (B, F, h, w)
        features, shares = stem, []
        for block, share in zip(self.blocks, self.shares, strict=True):
            features = block(features)
            shares.append(share(features))  # (B, F/blocks, h, w)
        features = stem + self.aggregation(torch.cat(shares, dim=1))
        detail: Tensor = self.tail(features)  # (B, 1, sh, sw)
        return bilinear(lst, self.scale) + detail


class TransformationBlock(nn.Module):
    """Narrow the features by one contextual layer and widen them by another (CTB).

    Args:
        width: channels in and out; half as many between the layers.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ContextualTransformation(width, width // 2, activation=nn.ReLU),
            ContextualTransformation(width // 2, width, activation=nn.Identity),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        residual: Tensor = self.layers(features)
        return features + residual


class ContextualTransformation(nn.Module):
    """Gather half of the output by 1×1 convolutions, and transform it to the other half (CTL).

    Args:
        inputs: channels in.
        outputs: channels out, even.
        activation: makes what follows each of the three parts.
    """

    def __init__(self, inputs: int, outputs: int, *, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        half = outputs // 2
        self.gather = nn.Conv2d(inputs, half, 1, bias=False)
        self.surroundings = nn.Conv2d(inputs, half, 1, bias=False)
        self.transform = nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.activation = activation()

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, h, w) features for (B, inputs, h, w) features."""
        gathered = self.gather(features)  # (B, outputs/2, h, w)
        gate = torch.sigmoid(gathered + self.wide(features))
        context = self.activation(gathered * gate)
        transformed = self.activation(self.transform(context))
        both = torch.cat([context, transformed], dim=1)  # (B, outputs, h, w)
        shortcut: Tensor = self.activation(self.shortcut(features))
        return both + shortcut

    def wide(self, features: Tensor) -> Tensor:
        """Return (B, outputs/2, h, w), what the gate is told of each pixel's 2 × 2 cell."""
        height, width = features.shape[-2:]
        pooled = self.surroundings(F.avg_pool2d(features, 2, ceil_mode=True))
        return F.interpolate(pooled, scale_factor=2, mode="nearest")[..., :height, :width]


class Doubling(nn.Module):
    """Double height and width, and weigh each value of the larger map by a gate of its own.

    Nearest neighbours and pixel attention, after PAN (Zhao et al., ECCVW 2020).

    Args:
        inputs: channels in.
        outputs: channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.gate = nn.Conv2d(outputs, outputs, 1)
        self.smooth = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, 2h, 2w) features for (B, inputs, h, w) features."""
        features = self.conv(F.interpolate(features, scale_factor=2, mode="nearest"))
        features = F.leaky_relu(features * torch.sigmoid(self.gate(features)), 0.2)
        smooth: Tensor = self.smooth(features)
        return F.leaky_relu(smooth, 0.2)
