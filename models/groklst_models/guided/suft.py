"""SUFT: the guidance is heard where the LST is unsure of itself.

Shi, Ye, Du, "Symmetric Uncertainty-Aware Feature Transmission for Depth Super-Resolution",
ACM MM 2022, https://arxiv.org/abs/2306.00386.

LST features are brought to the fine grid twice, once as they are and once as their mirror image.
Where the two disagree the LST does not settle the detail, and guidance features are let in there,
before all is carried back to the coarse grid for the next stage.

Ours mirrors by a flip of the columns, where the published code calls a random flip that is always
made. The range that a map of uncertainty is stretched by has 1e-6 added to it for 1e-12, so that
rounding errors of a flat map stay small. The convolution before that has no bias, which stretching
would take away again: 3 parameters less.
"""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.projection import DownProjection, UpProjection
from groklst_models.blocks.residual import ResidualBlock, ResidualGroup
from groklst_models.blocks.upsample import bicubic

LeakyReLU = partial(nn.LeakyReLU, 0.2)
Group = partial(ResidualGroup, activation=LeakyReLU)

EPSILON = 1e-6  # added to the range of a map of uncertainty


class SUFTNet(nn.Module):
    """Downscale LST with guidance that is let in where the LST is uncertain.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the stems; LST features gain as many with each stage.
        stages: how many times the guidance is transmitted.
        blocks: attention blocks in a residual group; the two fine groups have twice as many.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        stages: int = 3,
        blocks: int = 4,
    ) -> None:
        super().__init__()
        self.scale = scale
        deep = width * (stages + 1)
        self.lst_stem = convolution(1, width)
        self.guide_stem = convolution(guide_channels, width)
        self.stages = nn.ModuleList(
            Stage(width * (stage + 1), width, scale=scale, blocks=blocks) for stage in range(stages)
        )
        self.coarse_group = Group(deep, blocks)
        self.up = UpProjection(deep, deep, scale=scale)
        self.fine_groups = nn.Sequential(Group(deep, 2 * blocks), Group(deep, 2 * blocks))
        self.head = nn.Sequential(convolution(deep, width), nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        coarse = self.lst_stem(lst)  # (B, F, h, w)
        fine = self.guide_stem(guide)  # (B, F, sh, sw)
        for stage in self.stages:
            coarse, fine = stage(coarse, fine)  # (B, F more, h, w) and (B, F, sh, sw)
        enlarged = self.up(self.coarse_group(coarse))  # (B, deep, sh, sw)
        detail: Tensor = self.head(self.fine_groups(enlarged))  # (B, 1, sh, sw)
        return bicubic(lst, self.scale) + detail


class Stage(nn.Module):
    """Refine both kinds of features, and transmit the guidance to the LST.

    Args:
        channels: channels of the LST features; they leave with `width` more.
        width: channels of the guidance features.
        scale: how many times finer the guidance is.
        blocks: attention blocks of the LST's residual group.
    """

    def __init__(self, channels: int, width: int, *, scale: int, blocks: int) -> None:
        super().__init__()
        self.lst_group = Group(channels, blocks)
        self.guide_block = ResidualBlock(width, activation=LeakyReLU)
        self.up = UpProjection(channels, channels, scale=scale)
        self.mirrored_up = UpProjection(channels, channels, scale=scale)
        self.uncertainty = SymmetricUncertainty()
        self.down = DownProjection(channels + width, channels + width, scale=scale)

    def forward(self, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, C+F, h, w) and (B, F, H, W) for LST (B, C, h, w) and guidance (B, F, H, W)."""
        coarse, fine = self.lst_group(coarse), self.guide_block(fine)
        enlarged = self.up(coarse)  # (B, C, H, W)
        mirrored = self.mirrored_up(coarse.flip(-1)).flip(-1)  # (B, C, H, W)
        heard = fine * self.uncertainty(enlarged, mirrored)  # (B, F, H, W)
        return self.down(torch.cat([enlarged, heard], dim=1)), fine


class SymmetricUncertainty(nn.Module):
    """Turn the difference between two views of the same features into a gate for each pixel.

    Args:
        kernel_size: rows and columns of the neighbourhood that a gate is made from, odd.
    """

    def __init__(self, *, kernel_size: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, view: Tensor, other: Tensor) -> Tensor:
        """Return gates (B, 1, H, W), from 0 to 1 in each sample, for two (B, C, H, W) features."""
        difference = (view - other).abs()
        mean, most = difference.mean(1, keepdim=True), difference.amax(1, keepdim=True)
        return stretch(self.conv(torch.cat([mean, most], dim=1)))


def stretch(maps: Tensor) -> Tensor:
    """Stretch each sample's values to the range from 0 to 1, for (B, 1, H, W) maps."""
    least, most = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
    return (maps - least) / (most - least + EPSILON)


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Make a 3×3 convolution with its activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), LeakyReLU())
