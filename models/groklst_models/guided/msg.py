"""DMSG: guidance features of each resolution join the LST on its way up, octave by octave.

Hui, Loy, Tang, "Depth Map Super-Resolution by Deep Multi-Scale Guidance", ECCV 2016.

The LST doubles its resolution in as many steps as the scale has octaves, and at each it meets
guidance features that were pooled to its size. Only high frequencies pass through the network; the
low ones of the LST are interpolated and added at the end.

Ours differs from the published code where that loses guidance. Each band is seen, not their mean,
which makes the first layer larger: with ten bands there are 219,491, 347,623 and 475,755 parameters
at ×2, ×4 and ×8, not 198,108, 326,240 and 454,372. With `guide_channels=1` they are the published
ones, but for 225 of the Gaussian, which is fixed, and one of an activation after the last layer,
which would hold back what lowers the temperature. There is no division by the range of the image,
which may be zero; the Gaussian meets repeated borders, not zeros; and the low frequencies of the
LST are those that were taken from it, at the coarse resolution.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.upsample import bicubic


class DMSG(nn.Module):
    """Downscale LST with guidance features of several resolutions.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the features; the LST's first layer makes twice as many.
        guide_width: channels of the guidance's first layer.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        guide_width: int = 49,
    ) -> None:
        super().__init__()
        self.scale = scale
        octaves = int(math.log2(scale))
        self.low_pass = LowPass()
        self.guide_stem = nn.Sequential(
            convolve(guide_channels, guide_width, 7), convolve(guide_width, width)
        )
        self.guide_octaves = nn.ModuleList(
            nn.Sequential(convolve(width, width), nn.MaxPool2d(3, stride=2, padding=1))
            for _ in range(octaves - 1)
        )
        self.lst_stem = convolve(1, 2 * width)
        self.lst_octaves = nn.ModuleList(
            Octave(width if octave else 2 * width, width) for octave in range(octaves)
        )
        self.head = nn.Sequential(convolve(width, width), nn.Conv2d(width, 1, 5, padding=2))

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        low = self.low_pass(lst)
        pyramid = [self.guide_stem(guide - self.low_pass(guide))]  # (B, F, sh, sw)
        for octave in self.guide_octaves:
            pyramid.append(octave(pyramid[-1]))  # half the height and width
        features = self.lst_stem(lst - low)  # (B, 2F, h, w)
        for octave, guidance in zip(self.lst_octaves, reversed(pyramid), strict=True):
            features = octave(features, guidance)  # (B, F, …), twice the height and width
        detail: Tensor = self.head(features)  # (B, 1, sh, sw)
        return bicubic(low, self.scale) + detail


def convolve(inputs: int, outputs: int, kernel_size: int = 5) -> nn.Sequential:
    """Make a convolution and its activation; height and width stay."""
    conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(conv, nn.PReLU())


class Octave(nn.Module):
    """Double the resolution of the LST features and fuse guidance features of that resolution.

    Args:
        inputs: channels of the LST features that come in.
        width: channels of the guidance features, and of what goes out.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        conv = nn.ConvTranspose2d(inputs, width, 5, stride=2, padding=2, output_padding=1)
        self.up = nn.Sequential(conv, nn.PReLU())
        self.fuse = nn.Sequential(convolve(2 * width, width), convolve(width, width))

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, 2H, 2W) for features (B, C, H, W) and (B, F, 2H, 2W)."""
        fused: Tensor = self.fuse(torch.cat([self.up(lst), guide], dim=1))
        return fused


class LowPass(nn.Module):
    """Blur each channel by a Gaussian; beyond the border its pixels are repeated.

    Args:
        size: rows and columns of the Gaussian, odd.
        sigma: standard deviation of the Gaussian, pixels.
    """

    weights: Tensor

    def __init__(self, *, size: int = 15, sigma: float = 5.0) -> None:
        super().__init__()
        distance = torch.arange(size) - size // 2
        weights = torch.exp(-0.5 * (distance / sigma) ** 2)
        self.register_buffer("weights", weights / weights.sum(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        channels, reach = maps.shape[1], len(self.weights) // 2
        column = self.weights[:, None].repeat(channels, 1, 1, 1)
        padded = F.pad(maps, (reach, reach, reach, reach), mode="replicate")
        blurred = F.conv2d(padded, column, groups=channels)
        return F.conv2d(blurred, column.transpose(2, 3), groups=channels)
