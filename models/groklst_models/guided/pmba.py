"""PMBANet: several branches see the LST in parallel, and stages of them build on each other.

Ye, Sun, Wang, Yang, Xu, Li, Li, "PMBANet: Progressive Multi-Branch Aggregation Network for Scene
Depth Super-Resolution", IEEE TIP 2020, https://doi.org/10.1109/TIP.2020.3002664.

In each stage one branch projects up and down and mends the error of that, attending to where
features rise above their surroundings, and one looks at several distances. The guidance joins in
the first stage, and each stage passes its result on to the next.

Ours is one class for all scales. It leaves out what the published classes make and never use: each
stage's fifth feedback unit, a fourth multi-scale branch, and some single layers. Of the published
17,740,242 parameters at ×2, 25,080,274 at ×4 and 46,051,794 at ×8 that is 4,303,780, 5,909,412 and
10,496,932; the 13,436,462, 19,170,862 and 35,554,862 that are live are ours. The surroundings are
pooled at any size: an edge that four does not divide makes windows of its own. As published, no
interpolated LST is added to the result. Weights start as PyTorch draws them, small: the attention
multiplies features by themselves, so that draws which keep the features' variance explode in it.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.attention import ChannelAttention
from groklst_models.blocks.projection import UpProjection, enlarge, shrink

NEIGHBOURHOOD = 4  # coarse pixels a side, that features are compared with


class PMBANet(nn.Module):
    """Downscale LST by stages of parallel branches.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the branches; what a stage sees of the LST gains as many with each stage.
        stem_width: channels inside the stems.
        stages: how many.
        units: feedback units in a stage.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 64,
        stem_width: int = 256,
        stages: int = 3,
        units: int = 4,
    ) -> None:
        super().__init__()
        self.lst_stem = nn.Sequential(
            convolution(1, stem_width), convolution(stem_width, width, kernel_size=1)
        )
        self.guide_stem = nn.Sequential(
            convolution(guide_channels, stem_width),
            convolution(stem_width, width),
            convolution(width, width, kernel_size=1),
        )
        self.stages = nn.ModuleList(
            Aggregation(width * (stage + 1), width, scale=scale, units=units)
            for stage in range(stages)
        )
        self.downs = nn.ModuleList(
            shrink(width, width, scale, one_slope) for _ in range(stages - 1)
        )
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        coarse = self.lst_stem(lst)  # (B, F, h, w)
        first, *later = self.stages
        fine = first(coarse, self.guide_stem(guide))  # (B, F, sh, sw)
        for down, stage in zip(self.downs, later, strict=True):
            coarse = torch.cat([coarse, down(fine)], dim=1)  # (B, F more, h, w)
            fine = stage(coarse)  # (B, F, sh, sw)
        result: Tensor = self.head(fine)  # (B, 1, sh, sw)
        return result


class Aggregation(nn.Module):
    """Add what the branches see, and weigh its channels (MBA).

    Args:
        inputs: channels in.
        width: channels out.
        scale: how many times finer the output is.
        units: feedback units of the reconstruction branch.
    """

    def __init__(self, inputs: int, width: int, *, scale: int, units: int) -> None:
        super().__init__()
        self.multi_scale = MultiScaleBranch(inputs, width, scale=scale)
        self.reconstruction = ReconstructionBranch(inputs, width, scale=scale, units=units)
        self.attention = ChannelAttention(width)

    def forward(self, coarse: Tensor, guide: Tensor | None = None) -> Tensor:
        """Return (B, F, sh, sw) for (B, C, h, w) features, with guidance (B, F, sh, sw) or none."""
        branches: Tensor = self.multi_scale(coarse) + self.reconstruction(coarse)
        if guide is not None:
            branches = branches + guide
        weighed: Tensor = self.attention(branches)
        return branches + weighed


class MultiScaleBranch(nn.Module):
    """Look at one to four pixels' distance, each look with all those before it, and go up.

    Args:
        inputs: channels in.
        width: channels out.
        scale: how many times finer the output is.
        distances: how many.
    """

    def __init__(self, inputs: int, width: int, *, scale: int, distances: int = 4) -> None:
        super().__init__()
        self.looks = nn.ModuleList(
            convolution(inputs + look * width, width, dilation=look + 1)
            for look in range(distances)
        )
        self.merge = convolution(inputs + distances * width, width)
        self.up = enlarge(width, width, scale, one_slope)

    def forward(self, coarse: Tensor) -> Tensor:
        """Return (B, F, sh, sw) for (B, C, h, w) features."""
        for look in self.looks:
            coarse = torch.cat([coarse, look(coarse)], dim=1)  # (B, F more, h, w)
        enlarged: Tensor = self.up(self.merge(coarse))
        return enlarged


class ReconstructionBranch(nn.Module):
    """Go up, and down and up again, mending the error each time, and merge all results.

    Args:
        inputs: channels in.
        width: channels out.
        scale: how many times finer the output is.
        units: how many times it goes up.
    """

    def __init__(self, inputs: int, width: int, *, scale: int, units: int) -> None:
        super().__init__()
        entries = [
            nn.Identity(),
            *(shrink(width, width, scale, one_slope) for _ in range(1, units)),
        ]
        self.units = nn.ModuleList(
            nn.Sequential(
                entry,
                convolution(width if unit else inputs, width, kernel_size=1),
                ReliefAttention(width),
                UpProjection(width, width, scale=scale, activation=one_slope),
            )
            for unit, entry in enumerate(entries)
        )
        self.merge = convolution(units * width, width)

    def forward(self, coarse: Tensor) -> Tensor:
        """Return (B, F, sh, sw) for (B, C, h, w) features."""
        features, results = coarse, []
        for unit in self.units:
            features = unit(features)  # (B, F, sh, sw)
            results.append(features)
        merged: Tensor = self.merge(torch.cat(results, dim=1))
        return merged


class ReliefAttention(nn.Module):
    """Strengthen values that rise above their surroundings.

    Args:
        width: channels in and out.
        strength: what the rise is multiplied by.
    """

    def __init__(self, width: int, *, strength: float = 0.1) -> None:
        super().__init__()
        self.strength = strength
        self.spread = enlarge(width, width, NEIGHBOURHOOD, one_slope)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        height, width = features.shape[-2:]
        pooled = functional.avg_pool2d(features, NEIGHBOURHOOD, ceil_mode=True)
        surroundings = self.spread(pooled)[..., :height, :width]
        return features * (1 + self.strength * torch.relu(features - surroundings))


def convolution(
    inputs: int, outputs: int, *, kernel_size: int = 3, dilation: int = 1
) -> nn.Sequential:
    """Make a convolution that keeps height and width, with its activation."""
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(inputs, outputs, kernel_size, padding=padding, dilation=dilation)
    return nn.Sequential(conv, nn.PReLU())


def one_slope(_: int) -> nn.Module:
    """Make an activation with one slope for all channels, however many."""
    return nn.PReLU()
