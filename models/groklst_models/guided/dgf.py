"""DGF: a guided filter whose box, whose line fitting and whose guide are learnt.

Wu, Zheng, Zhang, Huang, "Fast End-to-End Trainable Guided Filter", CVPR 2018,
https://arxiv.org/abs/1803.05619.

Around each coarse pixel the LST is a linear function of one guide; slope and offset are carried to
the fine grid and applied to the fine guide. The window's weights, the step from covariance and
variance to the slope, and the guide itself are learnt.

The benchmark's version filters the interpolated LST on the fine grid, with the mean of all bands
for a guide. Ours has the paper's form: windows lie on the coarse grid, and two 1×1 layers make the
guide, the coarse one from the means of the fine bands. The published code makes three guides for
three bands of the result, ours one for the LST, and its network of slopes has the benchmark's width
and plain norms, the default of the published filter. That makes 4,764 parameters for the
benchmark's 4,553. The window's weights are a softmax and its edges are repeated outwards, so
nothing is divided by what may be zero, and ChannelNorm stands for batch normalization. The line
passes through the coarse pixel's own LST and guide; through the window's means, as in the paper, it
would blur the LST.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.normalization import AdaptiveNorm, ChannelNorm
from groklst_models.blocks.precision import without_autocast


class DGF(nn.Module):
    """Downscale LST by slopes on a learnt guide, fitted in each coarse window.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        guide_width: channels of the hidden layer that makes the guide.
        width: channels of the network that makes slopes.
        radius: how far apart the nine pixels of a window are, coarse pixels.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        guide_width: int = 16,
        width: int = 64,
        radius: int = 1,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.to_guide = nn.Sequential(
            nn.Conv2d(guide_channels, guide_width, 1, bias=False),
            AdaptiveNorm(guide_width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(guide_width, 1, 1),
        )
        self.mean = WindowMean(radius)
        self.to_slope = nn.Sequential(
            nn.Conv2d(2, width, 1, bias=False),
            ChannelNorm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            ChannelNorm(width),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1, bias=False),
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        with without_autocast(lst.device):  # the variance is a small difference
            slope, offset = self._fit(lst, F.avg_pool2d(guide, self.scale))  # (B, 1, h, w) each
        fine: Tensor = self._refine(slope) * self.to_guide(guide) + self._refine(offset)
        return fine

    def _fit(self, lst: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Return slope and offset (B, 1, h, w) for LST (B, 1, h, w) and guidance (B, G, h, w)."""
        coarse = self.to_guide(guide)  # (B, 1, h, w)
        mean = self.mean(coarse)
        covariance = self.mean(coarse * lst) - mean * self.mean(lst)
        variance = self.mean(coarse * coarse) - mean * mean
        slope: Tensor = self.to_slope(torch.cat([covariance, variance], dim=1))
        return slope, lst - slope * coarse

    def _refine(self, plane: Tensor) -> Tensor:
        """Interpolate (B, 1, h, w) to (B, 1, sh, sw), from corner pixel to corner pixel."""
        return F.interpolate(plane, scale_factor=self.scale, mode="bilinear", align_corners=True)


class WindowMean(nn.Module):
    """Average the nine pixels of a window with learnt weights; edges are repeated outwards.

    The weights are a softmax: none is negative, and their sum, one, is nothing to divide by.

    Args:
        radius: how far apart the pixels are.
    """

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius
        self.logits = nn.Parameter(torch.zeros(9))

    def forward(self, plane: Tensor) -> Tensor:
        """Return the means (B, 1, H, W) of a plane (B, 1, H, W)."""
        framed = F.pad(plane, (self.radius,) * 4, mode="replicate")
        weights = self.logits.softmax(dim=0).view(1, 1, 3, 3)
        return F.conv2d(framed, weights, dilation=self.radius)
