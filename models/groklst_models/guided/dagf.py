"""DAGF: the LST is filtered with kernels of its own and of the guidance, mixed pixel by pixel.

Zhong, Liu, Jiang, Zhao, Ji, "Deep Attentional Guided Image Filtering", IEEE TNNLS 2023,
https://arxiv.org/abs/2112.06401.

From a quarter of the fine resolution to all of it, three levels filter LST features with a kernel
for each pixel. One kernel is made from the LST and one from the guidance, and a small U-Net looks
at both to say how much of each the pixel takes.

The paper also trains the coarser levels on LST of their size; ours makes the finest only, and
leaves out the layers for the others and those that the published code never uses (2 % of its
parameters together). Each pixel's channels are normalized by themselves, not over the batch, which
leaves the bias alone of the single channel that mixes. Where a level starts coarser than the LST it
sees means of the LST, not every second pixel, and the last layer has no activation, which would
hold back what lowers the temperature.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.normalization import AdaptiveNorm
from groklst_models.blocks.residual import ResidualBlock
from groklst_models.blocks.upsample import bicubic


class DAGF(nn.Module):
    """Downscale LST by attentional guided filtering, from coarse to fine.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of all features, even.
        levels: resolutions that are filtered at, each twice as fine as the one before.
        blocks: residual blocks before each filter.
    """

    multiple_of: int
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 32,
        levels: int = 3,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.multiple_of = max(1, 2 ** (levels + 1) // scale)  # the U-Net halves twice more
        self.lst_pyramid = Pyramid(1, width, levels)
        self.guide_pyramid = Pyramid(guide_channels, width, levels)
        self.stems = nn.ModuleList(Stem(width, joined=level > 0) for level in range(levels))
        self.filters = nn.ModuleList(AttentionalFilter(width, blocks) for _ in range(levels))
        self.fusion = Fusion(width, levels)
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        fine = bicubic(lst, self.scale)
        lst_maps, guide_maps = self.lst_pyramid(fine), self.guide_pyramid(guide)
        filtered: list[Tensor] = []
        levels = zip(self.stems, self.filters, lst_maps, guide_maps, strict=True)
        for stem, attentional_filter, lst_map, guide_map in levels:  # (B, F, sh/4, sw/4) first
            height, width = lst_map.shape[-2:]
            halved = F.interpolate(lst, size=(height // 2, width // 2), mode="area")
            features = stem(halved, filtered[-1:])
            filtered.append(attentional_filter(features, lst_map, guide_map))
        detail: Tensor = self.head(self.fusion(filtered))  # (B, 1, sh, sw)
        return fine + detail


class Pyramid(nn.Module):
    """Make features of several resolutions, each half of the one after it.

    Args:
        inputs: channels in.
        width: channels of the features.
        levels: how many resolutions, with the finest, that of the input.
    """

    def __init__(self, inputs: int, width: int, levels: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, width, 1), nn.PReLU()
        )
        self.halvings = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.PReLU(),
                nn.PixelUnshuffle(2),
                nn.Conv2d(4 * width, width, 1),
                nn.PReLU(),
            )
            for _ in range(levels - 1)
        )

    def forward(self, maps: Tensor) -> list[Tensor]:
        """Return features for (B, C, H, W): the coarsest first, (B, F, H, W) last."""
        features = [self.head(maps)]
        for halving in self.halvings:
            features.append(halving(features[-1]))
        return features[::-1]


class Stem(nn.Module):
    """Make the features that a level filters, from the LST and what the level before made.

    Args:
        width: channels of the features.
        joined: whether there is a level before.
    """

    def __init__(self, width: int, *, joined: bool) -> None:
        super().__init__()
        self.lst = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.PReLU())
        self.join = nn.Conv2d(2 * width if joined else width, width, 3, padding=1)

    def forward(self, lst: Tensor, before: Sequence[Tensor]) -> Tensor:
        """Return (B, F, H, W) for LST (B, 1, H, W) and at most one (B, F, H, W)."""
        joined: Tensor = self.join(torch.cat([self.lst(lst), *before], dim=1))
        return joined


class AttentionalFilter(nn.Module):
    """Double the features' resolution and filter them by kernels from LST and guidance.

    Args:
        width: channels of all features.
        blocks: residual blocks before the filter.
        kernel_size: rows and columns of a kernel, odd.
        dilation: pixels between a kernel's neighbours.
    """

    def __init__(self, width: int, blocks: int, *, kernel_size: int = 3, dilation: int = 2) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        taps = kernel_size**2
        steps: list[nn.Module] = []
        for _ in range(blocks):
            steps += [ResidualBlock(width, activation=nn.PReLU), nn.PReLU()]
        self.blocks = nn.Sequential(*steps)
        self.up = nn.Upsample(scale_factor=2)
        self.lst_kernels = kernels_of(width, taps)
        self.guide_kernels = kernels_of(width, taps)
        self.mixing = nn.Sequential(convolve(2 * width, width), UNet(width), convolve(width, 1))
        self.divisor = nn.Parameter(torch.tensor(taps / 2))

    def forward(self, features: Tensor, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, 2H, 2W) for features (B, F, H, W) and two maps (B, F, 2H, 2W)."""
        share = self.mixing(torch.cat([lst, guide], dim=1))  # (B, 1, 2H, 2W)
        kernels = share * self.lst_kernels(lst) + (1 - share) * self.guide_kernels(guide)
        kernels = torch.tanh(kernels) / (self.divisor + 1e-8)  # (B, K, 2H, 2W)
        weight = kernels.abs().sum(dim=1, keepdim=True) + 1e-4
        kernels = kernels / weight.clamp(min=1)
        features = self.up(self.blocks(features))  # (B, F, 2H, 2W)
        return gather(features, kernels, self.kernel_size, self.dilation)


def kernels_of(width: int, taps: int) -> nn.Sequential:
    """Make the layers that turn features (B, F, H, W) into kernels (B, K, H, W) of sum one."""
    first, second = nn.Conv2d(width, width, 1), nn.Conv2d(width, taps, 1)
    return nn.Sequential(first, nn.PReLU(), second, nn.Softmax(dim=1))


def gather(features: Tensor, kernels: Tensor, kernel_size: int, dilation: int) -> Tensor:
    """Weigh each pixel's neighbours in (B, C, H, W) by its own kernel of (B, K, H, W).

    Outside the map the neighbours are zero.
    """
    height, width = features.shape[-2:]
    reach = kernel_size // 2 * dilation
    padded = F.pad(features, (reach, reach, reach, reach))
    total = torch.zeros_like(features)
    for tap in range(kernel_size**2):
        row, column = (dilation * step for step in divmod(tap, kernel_size))
        neighbours = padded[..., row : row + height, column : column + width]
        total = total + kernels[:, tap : tap + 1] * neighbours
    return total


class UNet(nn.Module):
    """See features at three resolutions, each added to what comes back from below it.

    Pixels turn into channels on the way down and back on the way up.

    Args:
        width: channels in and out, even.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = convolve(width, width // 2)
        self.down = convolve(2 * width, width)
        self.deep = nn.Sequential(convolve(4 * width, 4 * width), convolve(4 * width, 4 * width))
        self.up = convolve(4 * width, 8 * width)
        self.leave = convolve(2 * width, 4 * width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, H, W) for (B, F, H, W); height and width are multiples of four."""
        half = F.pixel_unshuffle(self.enter(features), 2)  # (B, 2F, H/2, W/2)
        quarter = F.pixel_unshuffle(self.down(half), 2)  # (B, 4F, H/4, W/4)
        quarter = self.deep(quarter) + quarter
        half = F.pixel_shuffle(self.up(quarter), 2) + half
        whole: Tensor = F.pixel_shuffle(self.leave(half), 2) + features
        return whole


def convolve(inputs: int, outputs: int) -> nn.Sequential:
    """Make a 3×3 convolution, its normalization and its activation."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    return nn.Sequential(conv, AdaptiveNorm(outputs), nn.PReLU())


class Fusion(nn.Module):
    """Add the levels' features up, coarsest first; before training the finest counts alone.

    Args:
        width: channels of the features.
        levels: how many there are.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU()) for _ in range(levels)
        )
        self.join = nn.ModuleList(Join(width) for _ in range(levels - 1))

    def forward(self, filtered: Sequence[Tensor]) -> Tensor:
        """Return (B, F, H, W), the finest size, for features each half the size of the next."""
        fused: Tensor = self.enter[0](filtered[0])
        for enter, join, finer in zip(self.enter[1:], self.join, filtered[1:], strict=True):
            fused = join(enter(finer), fused)
        return fused


class Join(nn.Module):
    """Add to a level's features a learnt share, at first none, of what the coarser levels made.

    Args:
        width: channels of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU())
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, finer: Tensor, fused: Tensor) -> Tensor:
        """Return (B, F, 2H, 2W) for a level's (B, F, 2H, 2W) and the coarser (B, F, H, W)."""
        doubled = F.interpolate(fused, scale_factor=2, mode="nearest")
        joined: Tensor = self.conv(self.share * doubled + finer)
        return joined
