"""SRFBN: look at the LST several times, each time knowing what was made of it the last time.

Li, Yang, Liu, Yang, Jeon, Wu, "Feedback Network for Image Super-Resolution", CVPR 2019,
https://arxiv.org/abs/1903.09814.

One block runs several times on the same features and on its own last output, so later and better
knowledge refines what early layers see, with no weight more. Inside it, densely connected groups
go up to the fine grid and down again.

The defaults are the paper's small form, SRFBN-S; the large one is `width=64, groups=6`. The paper's
loss sees the result of each step, ours the last one's alone, so the others are not computed. As
in the paper, the bilinear LST is added to it, and weights start after He et al.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.projection import enlarge, shrink
from groklst_models.blocks.upsample import bilinear


class SRFBN(nn.Module):
    """Downscale LST with a feedback block.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features; the first convolution has four times as many.
        steps: how many times the feedback block runs.
        groups: how many times the block goes up to the fine grid and down.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(self, *, scale: int, width: int = 32, steps: int = 4, groups: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.steps = steps
        self.stem = nn.Sequential(
            nn.Conv2d(1, 4 * width, 3, padding=1),
            single_slope(4 * width),
            pointwise(4 * width, width),
        )
        self.feedback = FeedbackBlock(width, groups, scale=scale)
        self.head = nn.Sequential(
            enlarge(width, width, scale, single_slope),
            nn.Conv2d(width, 1, 3, padding=1),
        )
        self.apply(he_normal)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        features = self.stem(lst)  # (B, F, h, w)
        state = features
        for _ in range(self.steps):
            state = self.feedback(features, state)
        detail: Tensor = self.head(state)  # (B, 1, sh, sw)
        return bilinear(lst, self.scale) + detail


class FeedbackBlock(nn.Module):
    """Refine the features, given what this block last made of them.

    Args:
        width: channels of the features and of the state.
        groups: how many projection groups.
        scale: how many times finer the fine grid is.
    """

    def __init__(self, width: int, groups: int, *, scale: int) -> None:
        super().__init__()
        self.enter = pointwise(2 * width, width)
        self.groups = nn.ModuleList(
            ProjectionGroup(width, maps, scale=scale) for maps in range(1, groups + 1)
        )
        self.leave = pointwise(groups * width, width)

    def forward(self, features: Tensor, state: Tensor) -> Tensor:
        """Return the next state (B, F, h, w) for features and a state of that shape."""
        coarse_maps = [self.enter(torch.cat([features, state], dim=1))]
        fine_maps: list[Tensor] = []
        for group in self.groups:
            coarse, fine = group(coarse_maps, fine_maps)  # (B, F, h, w) and (B, F, sh, sw)
            coarse_maps.append(coarse)
            fine_maps.append(fine)
        made: Tensor = self.leave(torch.cat(coarse_maps[1:], dim=1))
        return made


class ProjectionGroup(nn.Module):
    """The way to the fine grid and the way down, each from all maps made so far on its grid.

    Args:
        width: channels of a map.
        maps: how many maps each way is given.
        scale: how many times finer the fine grid is.
    """

    def __init__(self, width: int, maps: int, *, scale: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            *([pointwise(maps * width, width)] if maps > 1 else []),
            enlarge(width, width, scale, single_slope),
        )
        self.down = nn.Sequential(
            *([pointwise(maps * width, width)] if maps > 1 else []),
            shrink(width, width, scale, single_slope),
        )

    def forward(self, coarse_maps: list[Tensor], fine_maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the next coarse map and the next fine one, given all before them."""
        fine = self.up(torch.cat(coarse_maps, dim=1))
        coarse = self.down(torch.cat([*fine_maps, fine], dim=1))
        return coarse, fine


def pointwise(inputs: int, outputs: int) -> nn.Sequential:
    """Make a 1×1 convolution and its activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), single_slope(outputs))


def single_slope(channels: int) -> nn.Module:
    """Make an activation that has one slope for all channels, 0.2 at first."""
    return nn.PReLU(init=0.2)


def he_normal(part: nn.Module) -> None:
    """Draw a convolution's weights as He et al. (ICCV 2015) do."""
    if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(part.weight)
