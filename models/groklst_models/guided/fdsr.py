"""FDSR: the guidance's high frequencies join the LST step by step, on rearranged pixels.

He, Zhu, Li, Bai, Cong, Zhang, Lin, Liu, Zhao, "Towards Fast and Accurate Real-World Depth
Super-Resolution: Benchmark Dataset and Baseline", CVPR 2021, https://arxiv.org/abs/2104.06174.

The pixels of 4×4 squares become channels, so that all work is done on a sixteenth of the pixels.
Octave convolutions (Chen et al., ICCV 2019) part the guidance into high and low frequencies, and
after each block the LST takes in the high ones.

Ours differs from the published code in one way: the last octave convolution makes no low
frequencies, as nothing would read them, so that 640,273 parameters do what 642,577 did. And halves
of the resolution are rounded up, so that any number of squares will do.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.upsample import PixelShuffleUpsampler, bicubic

# Pixels along a side of the squares that become channels, whatever the scale is.
SQUARE = 4


class FDSR(nn.Module):
    """Downscale LST with the high frequencies of the guidance.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the stems.
        low_share: which share of the guidance features is of low frequency.
        stages: how many times the LST takes in high frequencies.
    """

    multiple_of: int
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        low_share: float = 0.25,
        stages: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.multiple_of = max(1, SQUARE // scale)
        low = round(low_share * width)
        high = width - low
        widths = [width + stage * high for stage in range(stages)]
        deep = width + stages * high
        self.lst_stem = stem(1, width)
        self.guide_stem = stem(guide_channels, width)
        self.octaves = nn.ModuleList(
            OctaveConvolution(
                (high, low) if stage > 0 else (width, 0),
                (high, low) if stage < stages - 1 else (high, 0),
            )
            for stage in range(stages)
        )
        self.blocks = nn.ModuleList(MultiScaleBlock(channels) for channels in widths)
        self.reconstruction = nn.Sequential(
            MultiScaleBlock(deep),
            nn.LeakyReLU(0.2),
            nn.Conv2d(deep, 4 * width, 3, padding=1),
            nn.PixelShuffle(2),
            PixelShuffleUpsampler(width, scale=2),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        fine = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        features = self.lst_stem(fine)  # (B, F, sh/4, sw/4)
        high, low = self.guide_stem(guide), None  # (B, F, sh/4, sw/4)
        for block, octave in zip(self.blocks, self.octaves, strict=True):
            high, low = octave(high, low)
            features = torch.cat([block(features), high], dim=1)  # 0.75 F more
        detail: Tensor = self.reconstruction(features)  # (B, 1, sh, sw)
        return fine + detail


def stem(inputs: int, width: int) -> nn.Sequential:
    """Make the layers that turn (B, C, H, W) into features (B, F, H/4, W/4)."""
    conv = nn.Conv2d(inputs * SQUARE**2, width, 3, padding=1)
    return nn.Sequential(nn.PixelUnshuffle(SQUARE), conv, nn.LeakyReLU(0.2))


class OctaveConvolution(nn.Module):
    """Convolve high frequencies, and low ones at half the resolution, and let them mix.

    Args:
        inputs: channels of high and of low frequencies that come in; 0 where there are no low ones.
        outputs: channels of high and of low frequencies that go out, likewise.
    """

    def __init__(self, inputs: tuple[int, int], outputs: tuple[int, int]) -> None:
        super().__init__()
        (high, low), (to_high, to_low) = inputs, outputs
        self.high_to_high = convolution(high, to_high)
        self.high_to_low = convolution(high, to_low) if to_low else None
        self.low_to_high = convolution(low, to_high) if low else None
        self.low_to_low = convolution(low, to_low) if low and to_low else None

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return features (B, C, H, W) and (B, D, H/2, W/2) for features of these sizes."""
        highs = self.high_to_high(high)
        if self.low_to_high is not None:
            from_low = self.low_to_high(low)  # (B, C, H/2, W/2)
            highs = highs + F.interpolate(from_low, size=high.shape[-2:], mode="nearest")
        if self.high_to_low is None:
            return F.leaky_relu(highs, 0.2), None
        lows = self.high_to_low(F.avg_pool2d(high, 2, ceil_mode=True))
        if self.low_to_low is not None:
            lows = lows + self.low_to_low(low)
        return F.leaky_relu(highs, 0.2), F.leaky_relu(lows, 0.2)


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Make a 3×3 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class MultiScaleBlock(nn.Module):
    """Add what a near and a far view see together to the features.

    Args:
        channels: channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near_view = nn.Conv2d(channels, channels, 3, padding=1)
        self.far_view = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)
        self.fuse = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        near = F.leaky_relu(self.near_view(features), 0.2)
        far = F.leaky_relu(self.far_view(features), 0.2)
        seen: Tensor = self.fuse(near + far)
        return features + seen
