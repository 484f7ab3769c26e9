"""FENet: let the low frequencies pass and spend the work on the high ones.

Behjati, Rodriguez, Fernandez Tena, Mehri, Roca, Ozawa, Gonzalez, "Frequency-Based Enhancement
Network for Efficient Super-Resolution", IEEE Access 2022.

A block splits its features into two narrow paths. One path is convolved once; in the other, what a
pixel has beyond the mean of its neighbourhood makes a gate, which lifts the detail out of it.

Ours takes maps of any size: at the edges, the cells that means are taken over end with the map.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from groklst_models.blocks.upsample import PixelShuffleUpsampler, bicubic

# Rows and columns of a cell; what a cell's mean leaves over are the high frequencies.
CELL = 4


class FENet(nn.Module):
    """Downscale LST with blocks that enhance high frequencies.

    Every convolution is weight-normalized (Salimans & Kingma, NeurIPS 2016).

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of `groups`.
        blocks: how many blocks.
        groups: of the convolutions that enlarge.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(self, *, scale: int, width: int = 64, blocks: int = 12, groups: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.entry = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.ModuleList(FrequencyEnhancement(width) for _ in range(blocks))
        self.fusion = nn.Sequential(nn.Conv2d((blocks + 1) * width, width, 1), nn.ReLU())
        self.upsampler = PixelShuffleUpsampler(
            width, scale=scale, groups=groups, activation=nn.ReLU
        )
        self.exit = nn.Conv2d(width, 1, 3, padding=1)
        for module in list(self.modules()):
            if isinstance(module, nn.Conv2d):
                weight_norm(module)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        stages = [self.entry(lst)]  # (B, F, h, w)
        for block in self.blocks:
            stages.append(block(stages[-1]))
        features = self.fusion(torch.cat(stages, dim=1)) + stages[-1]
        detail: Tensor = self.exit(self.upsampler(features))  # (B, 1, sh, sw)
        return bicubic(lst, self.scale) + detail


class FrequencyEnhancement(nn.Module):
    """Split the features into two paths, enhance the detail of one, and join them again (FEB).

    Args:
        width: channels in and out; each path has half.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.low = nn.Sequential(
            nn.Conv2d(width, half, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.ReLU(),
        )
        self.high = nn.Sequential(
            nn.Conv2d(width, half, 1, bias=False), nn.ReLU(), DetailEnhancement(half), nn.ReLU()
        )
        self.join = nn.Conv2d(2 * half, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        joined: Tensor = self.join(torch.cat([self.low(features), self.high(features)], dim=1))
        return features + joined


class DetailEnhancement(nn.Module):
    """Gate the features by what they have beyond the mean of their cell.

    Args:
        channels: channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.value = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.out = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, h, w) features for (B, C, h, w) features."""
        gate = torch.sigmoid(features + self.gate(features - cell_means(features)))
        enhanced: Tensor = self.out(gate * self.value(features))
        return enhanced


def cell_means(features: Tensor) -> Tensor:
    """Return (B, C, h, w), each value replaced by the mean of its 4 × 4 cell."""
    height, width = features.shape[-2:]
    means = F.avg_pool2d(features, CELL, ceil_mode=True)  # (B, C, h/4, w/4)
    spread = F.interpolate(means, scale_factor=CELL, mode="nearest")
    return spread[..., :height, :width]
