"""PixTransform, trained: each fine pixel is a function of its own guidance and interpolated LST.

After de Lutio, D'Aronco, Wegner, Schindler, "Guided Super-Resolution as Pixel-to-Pixel
Transformation", ICCV 2019, https://arxiv.org/abs/1904.01501.

A pixel's guidance values and its interpolated LST pass through a stack of 1×1 convolutions each,
and a third stack turns the sum into a temperature. No pixel looks at its neighbours, so no sharp
edge of the guidance is lost.

This is the benchmark's form, trained on many scenes: the interpolated LST stands where the paper
has the pixel's coordinates. The paper's own method, fitted to one scene with the coarse LST as its
only target, is the fitted method `pixtransform`. Ours differs from the published version in working
through large maps part by part: the wide layer of 512 × 512 pixels fills 2 GB.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.tokens import to_map, to_tokens
from groklst_models.blocks.upsample import bicubic

PART = 8192  # pixels of a sample whose hidden layer is in memory at once


class PixTransformNet(nn.Module):
    """Downscale LST pixel by pixel.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the narrow layers.
        hidden: channels of the wide layer, in which LST and guidance meet.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, guide_channels: int, width: int = 32, hidden: int = 2048
    ) -> None:
        super().__init__()
        self.scale = scale
        self.lst_branch = two_layers(1, width, hidden)
        self.guide_branch = two_layers(guide_channels, width, hidden)
        self.head = two_layers(hidden, width, 1)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        target = to_tokens(bicubic(lst, self.scale))  # (B, sh·sw, 1)
        parts = zip(*(torch.split(t, PART, dim=1) for t in (target, to_tokens(guide))), strict=True)
        fine = torch.cat([self.pixels(*part) for part in parts], dim=1)  # (B, sh·sw, 1)
        return to_map(fine, *guide.shape[2:])

    def pixels(self, target: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, n, 1) for interpolated LST (B, n, 1) and guidance (B, n, G)."""
        hidden = F.relu(self.lst_branch(target) + self.guide_branch(guide), inplace=True)
        fine: Tensor = self.head(hidden)
        return fine


def two_layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Make two 1×1 convolutions, which of pixels as tokens are linear layers."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))
