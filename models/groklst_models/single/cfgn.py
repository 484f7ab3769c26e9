"""CFGN: every convolution looks near and far at once.

Dai et al., "CFGN: A Lightweight Context Feature Guided Network for Image Super-Resolution",
IEEE TETCI 2024.

In each unit plain convolutions see the near context and dilated ones the far context of the same
features. A block distils a part of the features before each unit, and weighs by their contrast what
it has distilled.

Ours is the paper's form at the paper's widths, for its 32 groups do not divide the benchmark's 48
channels: 594,764 parameters at ×2. The benchmark has plain convolutions in place of the units, and
nothing after the distilling ones: `context=False, width=48, blocks=6` gives that form and its
528,520 parameters. The contrast is the root of the variance plus 1e-8, so that flat maps have a
gradient.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.attention import ContrastChannelAttention
from groklst_models.blocks.upsample import SubPixelHead

LeakyReLU = partial(nn.LeakyReLU, 0.05)

UNITS = 3  # in a block
PAIRS = 3  # in a unit


class CFGN(nn.Module):
    """Downscale LST with distillation blocks whose units see near and far.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of 2 and of `groups`.
        blocks: how many blocks.
        context: whether the units see far too, or are plain convolutions.
        groups: of the convolutions of units that see far.
        dilation: of the far convolutions.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        blocks: int = 9,
        context: bool = True,
        groups: int = 32,
        dilation: int = 3,
    ) -> None:
        super().__init__()
        plain = partial(DistillationBlock, width, partial(PlainUnit, width), nn.Identity)
        unit = partial(ContextUnit, width, groups=groups, dilation=dilation)
        far_too = partial(DistillationBlock, width, unit, LeakyReLU)
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.ModuleList(far_too() if context else plain() for _ in range(blocks))
        self.fusion = nn.Sequential(
            nn.Conv2d((blocks + 1) * width, width, 1),
            LeakyReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.head = SubPixelHead(width, scale=scale)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        stages = [self.stem(lst)]  # (B, F, h, w)
        for block in self.blocks:
            stages.append(block(stages[-1]))
        features = self.fusion(torch.cat(stages, dim=1)) + stages[0]
        fine: Tensor = self.head(features)  # (B, 1, sh, sw)
        return fine


class DistillationBlock(nn.Module):
    """Distil half of the channels before each unit and after the last, and join what was distilled.

    Args:
        width: channels in and out.
        make_unit: makes a unit, from `width` channels to as many.
        activation: makes what follows each distilling convolution.
    """

    def __init__(
        self,
        width: int,
        make_unit: Callable[[], nn.Module],
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        half = width // 2
        self.units = nn.ModuleList(make_unit() for _ in range(UNITS))
        self.distillations = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, half, 1), activation()) for _ in range(UNITS)
        )
        self.last = nn.Sequential(nn.Conv2d(width, half, 3, padding=1), activation())
        self.join = nn.Sequential(nn.Conv2d((UNITS + 1) * half, width, 1), LeakyReLU())
        self.attention = ContrastChannelAttention(width, reduction=8, activation=LeakyReLU)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        deeper, distilled = features, []
        for unit, distillation in zip(self.units, self.distillations, strict=True):
            distilled.append(distillation(deeper))  # (B, F/2, h, w)
            deeper = unit(deeper)
        distilled.append(self.last(deeper))
        joined: Tensor = self.attention(self.join(torch.cat(distilled, dim=1)))
        return features + joined


class ContextUnit(nn.Module):
    """Add what pairs of near and far convolutions see to the features (CFGM).

    Args:
        width: channels in and out.
        groups: of all convolutions.
        dilation: of the far convolutions.
    """

    def __init__(self, width: int, *, groups: int, dilation: int) -> None:
        super().__init__()
        self.pairs = nn.Sequential(
            *(ContextPair(width, groups=groups, dilation=dilation) for _ in range(PAIRS))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        seen: Tensor = self.pairs(features)
        return features + seen


class ContextPair(nn.Module):
    """Sum what a near and a far convolution see of the same features.

    Args:
        width: channels in and out.
        groups: of both convolutions.
        dilation: of the far convolution.
    """

    def __init__(self, width: int, *, groups: int, dilation: int) -> None:
        super().__init__()
        self.near = grouped(width, groups=groups, dilation=1)
        self.far = grouped(width, groups=groups, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        summed: Tensor = self.near(features) + self.far(features)
        return summed


def grouped(width: int, *, groups: int, dilation: int) -> nn.Sequential:
    """Make a 3×3 convolution in groups and its activation, with a slope for each channel."""
    conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=groups)
    return nn.Sequential(conv, nn.PReLU(width, init=0.05))


class PlainUnit(nn.Module):
    """Add one convolution to the features.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.activation = LeakyReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        activated: Tensor = self.activation(features + self.conv(features))
        return activated
