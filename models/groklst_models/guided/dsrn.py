"""DSRN: a U-Net over the interpolated LST, with guidance joined in at each level on the way up.

Wang, Ye, Sun, Yang, Xu, Li, "Depth Upsampling Based on Deep Edge-Aware Learning", Pattern
Recognition 2020.

On the way down each level also sees the LST itself, pooled to its size, so that the temperatures
are not lost among features. On the way up, features of the guidance say where the edges are.

Ours takes the guidance itself where the paper first predicts an edge map from it, as the benchmark
does. Ours differs from the published code in three ways. The last layer is linear: a ReLU there
could only raise the interpolated temperature. Channel normalization stands where batch
normalization did. And maps pool to any size: an odd row or column is a window of its own, and
comes back on the way up. Without the last layer's normalization we have 2 parameters less.
"""

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.upsample import bicubic


class DSRN(nn.Module):
    """Downscale LST with a U-Net whose decoder follows the guidance.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the first level; each level below has twice as many.
        levels: how many levels the U-Net has above its bottom.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, guide_channels: int, width: int = 64, levels: int = 4
    ) -> None:
        super().__init__()
        self.scale = scale
        widths = [width * 2**level for level in range(levels)]
        self.lst_encoder = LstEncoder(widths)
        self.guide_encoder = GuideEncoder(guide_channels, widths)
        self.bottom = convolutions(2 * widths[-1], 2 * widths[-1], 2 * widths[-1])
        self.decoder = nn.ModuleList(DecoderLevel(channels) for channels in reversed(widths))
        self.head = nn.Conv2d(width, 1, 3, padding=1)
        initialize(self)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        interpolated = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        lst_maps, bottom = self.lst_encoder(interpolated)  # maps (B, F·2^l, sh/2^l, sw/2^l)
        guide_maps = self.guide_encoder(guide)
        features = self.bottom(bottom)  # (B, 16F, sh/16, sw/16)
        levels = zip(self.decoder, lst_maps[::-1], guide_maps[::-1], strict=True)
        for level, lst_map, guide_map in levels:
            features = level(features, lst_map, guide_map)  # (B, F·2^l, sh/2^l, sw/2^l)
        detail: Tensor = self.head(features)  # (B, 1, sh, sw)
        return interpolated + detail


class LstEncoder(nn.Module):
    """Go down level by level, and show each the LST again at its size.

    Args:
        widths: channels of the levels, each twice those of the level before.
    """

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        inputs = [1, *widths[1:]]
        self.levels = nn.ModuleList(
            convolutions(before, after, after) for before, after in zip(inputs, widths, strict=True)
        )
        self.reminders = nn.ModuleList(convolutions(1, channels) for channels in widths)

    def forward(self, lst: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return each level's map and the bottom's input for LST (B, 1, H, W).

        The maps are (B, F, H, W), (B, 2F, H/2, W/2) and so on; the bottom's input comes after them.
        """
        features, maps = lst, []
        for level, reminder in zip(self.levels, self.reminders, strict=True):
            maps.append(level(features))
            lst = halve(lst)
            features = torch.cat([halve(maps[-1]), reminder(lst)], dim=1)  # (B, 2C, H/2, W/2)
        return maps, features


class GuideEncoder(nn.Module):
    """Go down level by level with one convolution each.

    Args:
        inputs: bands of the guidance.
        widths: channels of the levels.
    """

    def __init__(self, inputs: int, widths: list[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            convolutions(before, after)
            for before, after in zip([inputs, *widths[:-1]], widths, strict=True)
        )

    def forward(self, guide: Tensor) -> list[Tensor]:
        """Return each level's map, (B, F, H, W), (B, 2F, H/2, W/2), … for guidance (B, G, H, W)."""
        first, *deeper = self.levels
        maps = [first(guide)]
        for level in deeper:
            maps.append(level(halve(maps[-1])))
        return maps


class DecoderLevel(nn.Module):
    """Double height and width, and join what both encoders saw there.

    Args:
        channels: channels of the result and of either encoder's map; twice as many come from below.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(2 * channels, channels, 3, stride=2, padding=1)
        self.activation = nn.Sequential(ChannelNorm(channels), nn.ReLU())
        self.join = convolutions(3 * channels, channels, channels)

    def forward(self, below: Tensor, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, C, H, W) for features (B, 2C, H/2, W/2) and two maps (B, C, H, W)."""
        enlarged = self.activation(self.enlarge(below, output_size=list(lst.shape[-2:])))
        joined: Tensor = self.join(torch.cat([enlarged, guide, lst], dim=1))
        return joined


def convolutions(*widths: int) -> nn.Sequential:
    """Chain 3×3 convolutions from each width to the next, each normalized and with ReLU."""
    steps: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        steps += [nn.Conv2d(inputs, outputs, 3, padding=1), ChannelNorm(outputs), nn.ReLU()]
    return nn.Sequential(*steps)


def halve(maps: Tensor) -> Tensor:
    """Pool (B, C, H, W) maps to the largest of 2×2 pixels; an odd edge makes windows of its own."""
    return functional.max_pool2d(maps, 2, ceil_mode=True)


def initialize(network: nn.Module) -> None:
    """Draw the weights of all convolutions after Glorot and Bengio (AISTATS 2010)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
