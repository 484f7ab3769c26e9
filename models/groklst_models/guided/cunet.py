"""CU-Net: split LST and guidance into what each has alone and what both have in common.

Deng, Dragotti, "Deep Convolutional Neural Network for Multi-Modal Image Restoration and Fusion",
IEEE TPAMI 2021, https://arxiv.org/abs/1910.04066.

An image is a sum of small learnt patterns of which few are active at a place, and some unrolled
steps of iterative shrinkage find which. What the LST has alone and what the guidance has alone are
coded and taken away, the rest of both is coded together, and the fine LST is made from its own code
and the common one.

Ours differs from the published version in that kernel size and width reach every layer, in a soft
threshold that stays continuous should what is learnt turn negative, and in starting at half of
Glorot's weights.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.upsample import bicubic

GAIN = 0.5  # share of Glorot's initial weights; with the whole the code grows with every step


class CUNet(nn.Module):
    """Downscale LST from its own sparse code and the one that it shares with the guidance.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: patterns of each code.
        kernel_size: rows and columns of a pattern, odd.
        steps: of iterative shrinkage for each code.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 64,
        kernel_size: int = 9,
        steps: int = 4,
    ) -> None:
        super().__init__()
        self.scale = scale

        def coding(channels: int) -> SparseCoding:
            return SparseCoding(channels, width, kernel_size=kernel_size, steps=steps)

        def synthesis(channels: int) -> nn.Conv2d:
            return convolution(width, channels, kernel_size)

        self.lst_coding, self.lst_part = coding(1), synthesis(1)
        self.guide_coding, self.guide_part = coding(guide_channels), synthesis(guide_channels)
        self.common_coding = coding(1 + guide_channels)
        self.fine_from_lst, self.fine_from_common = synthesis(1), synthesis(1)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        target = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        lst_code, guide_code = self.lst_coding(target), self.guide_coding(guide)  # (B, F, sh, sw)
        lst_rest = target - self.lst_part(lst_code)  # (B, 1, sh, sw)
        guide_rest = guide - self.guide_part(guide_code)  # (B, G, sh, sw)
        common_code = self.common_coding(torch.cat([lst_rest, guide_rest], dim=1))
        fine: Tensor = self.fine_from_lst(lst_code) + self.fine_from_common(common_code)
        return fine


class SparseCoding(nn.Module):
    """Find the sparse code of an image by unrolled steps of iterative shrinkage (LCSC).

    After Sreter & Giryes, "Learned Convolutional Sparse Coding", ICASSP 2018; each step has its own
    weights.

    Args:
        channels: of the image.
        width: channels of the code, one for each pattern.
        kernel_size: rows and columns of a pattern, odd.
        steps: how many.
    """

    def __init__(self, channels: int, width: int, *, kernel_size: int, steps: int) -> None:
        super().__init__()
        self.analysis = convolution(channels, width, kernel_size)
        self.shrink = SoftThreshold()
        self.steps = nn.ModuleList(
            ShrinkageStep(channels, width, kernel_size=kernel_size) for _ in range(steps)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the code (B, F, H, W) of an image (B, C, H, W)."""
        first = self.analysis(image)  # (B, F, H, W)
        code: Tensor = self.shrink(first)
        for step in self.steps:
            code = step(code, first)
        return code


class ShrinkageStep(nn.Module):
    """Add to a code what it lacks of the image's first analysis, then shrink it.

    What it lacks is the difference between that analysis and this step's analysis of the image that
    the code makes.

    Args:
        channels: of the image.
        width: channels of the code.
        kernel_size: of both convolutions.
    """

    def __init__(self, channels: int, width: int, *, kernel_size: int) -> None:
        super().__init__()
        self.synthesis = convolution(width, channels, kernel_size)
        self.analysis = convolution(channels, width, kernel_size)
        self.shrink = SoftThreshold()

    def forward(self, code: Tensor, first: Tensor) -> Tensor:
        """Return a better code (B, F, H, W) for a code and the first analysis of that shape."""
        better: Tensor = self.shrink(first + code - self.analysis(self.synthesis(code)))
        return better


class SoftThreshold(nn.Module):
    """Bring every value nearer to zero by a learnt threshold, and small ones to zero."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.01))

    def forward(self, code: Tensor) -> Tensor:
        """Return the shrunken code, of the code's shape."""
        return F.relu(code - self.threshold) - F.relu(-code - self.threshold)


def convolution(inputs: int, outputs: int, kernel_size: int) -> nn.Conv2d:
    """Make a convolution that keeps height and width, without bias."""
    made = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2, bias=False)
    nn.init.xavier_uniform_(made.weight, gain=GAIN)
    return made
