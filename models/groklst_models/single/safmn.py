"""SAFMN: features seen at four resolutions modulate the features themselves.

Sun, Dong, Tang, Pan, "Spatially-Adaptive Feature Modulation for Efficient Image Super-Resolution",
ICCV 2023, https://arxiv.org/abs/2302.13800.

A quarter of the channels stays as it is, the others are pooled by 2, 4 and 8 before a depthwise
convolution, so the mixture of the four is a map of near and far that the features are multiplied
with. A convolutional mixer stands where a transformer has its feed-forward layer.

Ours is the paper's form: pooling by 2, 4 and 8 where the benchmark pools by 4, 8 and 16, channel
normalization in the blocks where it has a response normalization before them, a bias in every
convolution and a skip over the blocks. That makes 224,572 parameters at ×2 against 222,052. The
bilinear skip is the benchmark's. At the edges, cells of the pooling end with the map.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.upsample import SubPixelHead, bilinear

# Rows and columns of the cells that each quarter of the channels is pooled to.
CELLS = (1, 2, 4, 8)


class SAFMN(nn.Module):
    """Downscale LST with spatially-adaptive feature modulation.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of 4.
        blocks: how many blocks.
        expansion: how many times wider the mixer is inside.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, width: int = 36, blocks: int = 8, expansion: float = 2.0
    ) -> None:
        super().__init__()
        self.scale = scale
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.Sequential(*(FeatureMixing(width, expansion) for _ in range(blocks)))
        self.head = SubPixelHead(width, scale=scale)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        stem = self.stem(lst)  # (B, F, h, w)
        detail: Tensor = self.head(self.blocks(stem) + stem)  # (B, 1, sh, sw)
        return bilinear(lst, self.scale) + detail


class FeatureMixing(nn.Module):
    """Modulate the normalized features, then mix their channels, both beside a skip (FMM).

    Args:
        width: channels in and out.
        expansion: how many times wider the mixer is inside.
    """

    def __init__(self, width: int, expansion: float) -> None:
        super().__init__()
        hidden = int(width * expansion)
        self.modulation = nn.Sequential(ChannelNorm(width), SpatiallyAdaptiveModulation(width))
        self.mixer = nn.Sequential(
            ChannelNorm(width),
            nn.Conv2d(width, hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(hidden, width, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        features = features + self.modulation(features)
        mixed: Tensor = self.mixer(features)
        return features + mixed


class SpatiallyAdaptiveModulation(nn.Module):
    """Multiply the features by a map made of themselves at four resolutions (SAFM).

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        part = width // len(CELLS)
        self.views = nn.ModuleList(nn.Conv2d(part, part, 3, padding=1, groups=part) for _ in CELLS)
        self.join = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        parts = features.chunk(len(CELLS), dim=1)  # (B, F/4, h, w) each
        levels = zip(self.views, parts, CELLS, strict=True)
        seen = [view_pooled(view, part, cell) for view, part, cell in levels]
        return features * F.gelu(self.join(torch.cat(seen, dim=1)))


def view_pooled(view: nn.Module, features: Tensor, cell: int) -> Tensor:
    """Convolve the cells' maxima of (B, C, h, w) features and spread the result over the cells."""
    if cell == 1:
        seen: Tensor = view(features)
        return seen
    height, width = features.shape[-2:]
    pooled = F.max_pool2d(features, cell, ceil_mode=True)  # (B, C, h/cell, w/cell)
    spread = F.interpolate(view(pooled), scale_factor=cell, mode="nearest")
    return spread[..., :height, :width]
