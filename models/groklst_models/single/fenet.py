"""FeNet: two halves of the features exchange what they found, across a lattice.

Wang, Li, Xue, Jiang, Wang, Sun, Ma, "FeNet: Feature Enhancement Network for Lightweight
Remote-Sensing Image Super-Resolution", IEEE TGRS 2022, https://doi.org/10.1109/TGRS.2022.3168787.

A lattice block works on one half of its channels only and lets each half see the other, weighted by
attention. Its results are fused from the deepest to the shallowest, inside each block and over all.

Ours takes any number of blocks from two on.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention
from groklst_models.blocks.upsample import SubPixelHead, bicubic


class FeNet(nn.Module):
    """Downscale LST with lattice blocks and fusion from the deep to the shallow.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, even.
        blocks: how many blocks; two or more.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(self, *, scale: int, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        )
        self.blocks = nn.ModuleList(FeatureEnhancement(width) for _ in range(blocks))
        self.fusion = BackwardFusion(width, blocks)
        self.tail = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), SubPixelHead(width, scale=scale)
        )

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        stem = self.stem(lst)  # (B, F, h, w)
        features, stages = stem, []
        for block in self.blocks:
            features = block(features)
            stages.append(features)
        detail: Tensor = self.tail(self.fusion(stages) + stem)  # (B, 1, sh, sw)
        return bicubic(lst, self.scale) + detail


class FeatureEnhancement(nn.Module):
    """Chain three lattice blocks and fuse their results from the last to the first (FEB).

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = LatticeBlock(width)
        self.second = LatticeBlock(width)
        self.third = LatticeBlock(width)
        self.deep_fusion = AttentiveFusion(width)
        self.shallow_fusion = AttentiveFusion(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        first = self.first(features)
        second = self.second(first)
        deep = self.deep_fusion(self.third(second), second)
        fused: Tensor = self.shallow_fusion(deep, first)
        return features + fused


class LatticeBlock(nn.Module):
    """Convolve one half of the features, then let each half see the other's weighted form (LLB).

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.convolutions = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1),
            nn.LeakyReLU(0.05),
            nn.Conv2d(half, half, 3, padding=1),
            nn.LeakyReLU(0.05),
            nn.Conv2d(half, half, 3, padding=1),
        )
        self.upper_attention = ChannelAttention(half, reduction=8)
        self.lower_attention = ChannelAttention(half, reduction=8)
        self.upper = nn.Conv2d(width, half, 1)
        self.lower = nn.Conv2d(width, half, 1)
        self.join = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, h, w) features for (B, F, h, w) features."""
        upper, lower = features.chunk(2, dim=1)  # (B, F/2, h, w) each
        upper = self.convolutions(upper)
        to_lower = self.lower(torch.cat([lower, self.upper_attention(upper)], dim=1))
        to_upper = self.upper(torch.cat([upper, self.lower_attention(lower)], dim=1))
        joined: Tensor = self.join(torch.cat([to_lower, to_upper], dim=1))  # (B, F, h, w)
        return joined


class AttentiveFusion(nn.Module):
    """Weigh the channels of two features and mix them.

    Args:
        width: channels of each and of the mixture.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.deep_attention = ChannelAttention(width, reduction=8)
        self.shallow_attention = ChannelAttention(width, reduction=8)
        self.mix = nn.Conv2d(2 * width, width, 1)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """Return (B, F, h, w) features for two (B, F, h, w) features."""
        both = torch.cat([self.deep_attention(deep), self.shallow_attention(shallow)], dim=1)
        mixed: Tensor = self.mix(both)
        return mixed


class BackwardFusion(nn.Module):
    """Fuse the blocks' results from the deepest to the shallowest, half of the channels each.

    Args:
        width: channels of each result and of the fusion.
        blocks: how many results.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        half = width // 2
        self.narrow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, half, 1), nn.ReLU()) for _ in range(blocks)
        )
        self.mixes = nn.ModuleList(nn.Conv2d(2 * half, half, 1) for _ in range(blocks - 2))

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Return (B, F, h, w) features for the blocks' results of that shape, shallowest first."""
        halves = [narrow(stage) for narrow, stage in zip(self.narrow, stages, strict=True)]
        fused = halves.pop()  # (B, F/2, h, w)
        for mix in self.mixes:
            fused = mix(torch.cat([fused, halves.pop()], dim=1))
        return torch.cat([fused, halves.pop()], dim=1)
