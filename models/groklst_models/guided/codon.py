"""CODON: two domains, refined over and over, agree at each step on where to look.

Yang, Cao, Zhang, Tao, "CODON: On Orchestrating Cross-Domain Attentions for Depth Super-Resolution",
IJCV 2022.

Interpolated LST and guidance are each refined at the fine grid by a module of two kernel sizes that
is applied again and again. After each step, gates made from both together scale both, so that what
the two have in common grows and what only one of them shows fades.

Ours is one class for all scales, ×2 too, where the published version has a copy for ×4 and another
for ×8. The gates of a sixth step, which its forward pass never makes, are left out here: 1,870,690
parameters for 1,871,320.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.attention import SpatialAttention
from groklst_models.blocks.upsample import bicubic


class CODON(nn.Module):
    """Downscale LST by recursive refinement under attention that both domains share.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of all features.
        steps: how often each domain is refined; each step has gates of its own.
        fusion_steps: how often the two together are refined.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 64,
        steps: int = 5,
        fusion_steps: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.fusion_steps = fusion_steps
        self.lst_stem = nn.Sequential(convolution(1, width, 3), convolution(width, width, 3))
        self.guide_stem = nn.Sequential(
            convolution(guide_channels, width, 3), convolution(width, width, 3)
        )
        self.lst_refinement = MultiScale(width)
        self.guide_refinement = MultiScale(width)
        self.attentions = nn.ModuleList(CrossDomainAttention(width) for _ in range(steps))
        self.fusion = convolution(2 * width, width, 3)
        self.fusion_refinement = MultiScale(width)
        self.head = nn.Sequential(
            convolution(width, width, 3), nn.Conv2d(width, 1, 3, padding=1, bias=False)
        )

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        interpolated = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        first_lst = ours = self.lst_stem(interpolated)  # (B, F, sh, sw)
        first_guide = theirs = self.guide_stem(guide)  # (B, F, sh, sw)
        for attention in self.attentions:
            ours, theirs = self.lst_refinement(ours), self.guide_refinement(theirs)
            gates = attention(ours, theirs)  # (B, F, sh, sw)
            ours, theirs = first_lst + gates * ours, first_guide + gates * theirs
        first = fused = self.fusion(torch.cat([ours, theirs], dim=1))  # (B, F, sh, sw)
        for _ in range(self.fusion_steps):
            fused = first + self.fusion_refinement(fused)
        detail: Tensor = self.head(fused)  # (B, 1, sh, sw)
        return interpolated + detail


class MultiScale(nn.Module):
    """See features through a small and a larger kernel, and merge the two views.

    Args:
        width: channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.small = convolution(width, width, 3)
        self.large = convolution(width, width, 5)
        self.merge = nn.Sequential(
            convolution(2 * width, 2 * width, 5), nn.Conv2d(2 * width, width, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, H, W) features for (B, F, H, W) features."""
        views = torch.cat([self.small(features), self.large(features)], dim=1)  # (B, 2F, H, W)
        merged: Tensor = self.merge(views)
        return merged


class CrossDomainAttention(nn.Module):
    """Make gates that two domains share, for each channel and pixel, from both domains.

    Args:
        width: channels of each domain's features.
        reduction: how many times narrower than both domains the channel gates' hidden layer is.
    """

    def __init__(self, width: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, 2 * width // reduction)
        self.channels = nn.Sequential(
            nn.Conv2d(2 * width, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, width, 1)
        )
        self.pixels = SpatialAttention(kernel_size=5)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return gates (B, F, H, W) for LST and guidance features of that shape."""
        both = torch.cat([lst, guide], dim=1)  # (B, 2F, H, W)
        mean, most = both.mean((2, 3), keepdim=True), both.amax((2, 3), keepdim=True)
        channel_gates = torch.sigmoid(self.channels(mean) + self.channels(most))  # (B, F, 1, 1)
        pixel_gates: Tensor = self.pixels(both)  # (B, 1, H, W)
        return channel_gates * pixel_gates


def convolution(inputs: int, outputs: int, kernel_size: int) -> nn.Sequential:
    """Make a convolution without bias that keeps the size, and ReLU."""
    padding = kernel_size // 2
    conv = nn.Conv2d(inputs, outputs, kernel_size, padding=padding, bias=False)
    return nn.Sequential(conv, nn.ReLU())
