"""DAGF: the LST is filtered with kernels of its own and of the guidance, mixed pixel by pixel.

Zhong, Liu, Jiang, Zhao, Ji, "Deep Attentional Guided Image Filtering", IEEE TNNLS 2023,
https://arxiv.org/abs/2112.06401.

From a quarter of the fine resolution to all of it, three levels filter LST features with a kernel
for each pixel. One kernel is made from the LST and one from the guidance, and a small U-Net looks
at both to say how much of each the pixel takes.

The paper also trains the coarser levels on LST of their size; ours makes the finest only, and has
no layers for the others. Each pixel's channels are normalized by themselves, not over the batch.
Where a level is coarser than the LST it sees means of the LST, not every second pixel, and the last
layer has no activation, which would hold back what lowers the temperature. The U-Nets have the
published widths, but the layers are of our choice: there are 2,467,156 parameters, in the published
network 2,442,223, with some that it does not use.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.normalization import ChannelNorm
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
        self.lst = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.PReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.join = nn.Conv2d(2 * width, width, 3, padding=1) if joined else nn.Identity()

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
        self.blocks = nn.Sequential(
            *(ResidualBlock(width, activation=nn.PReLU) for _ in range(blocks))
        )
        self.up = nn.Upsample(scale_factor=2)
        self.lst_kernels = kernels_of(width, taps)
        self.guide_kernels = kernels_of(width, taps)
        self.mixing = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            UNet(width),
            nn.Conv2d(width, 1, 3, padding=1),
            nn.PReLU(),
        )
        self.gain = nn.Parameter(torch.tensor(2 / taps))

    def forward(self, features: Tensor, lst: Tensor, guide: Tensor) -> Tensor:
        """Return (B, F, 2H, 2W) for features (B, F, H, W) and two maps (B, F, 2H, 2W)."""
        share = self.mixing(torch.cat([lst, guide], dim=1))  # (B, 1, 2H, 2W)
        kernels = share * self.lst_kernels(lst) + (1 - share) * self.guide_kernels(guide)
        kernels = self.gain * torch.tanh(kernels)  # (B, K, 2H, 2W)
        kernels = kernels / kernels.abs().sum(dim=1, keepdim=True).clamp(min=1)
        features = self.up(self.blocks(features))  # (B, F, 2H, 2W)
        return gather(features, kernels, self.kernel_size, self.dilation)


def kernels_of(width: int, taps: int) -> nn.Sequential:
    """Make the layers that turn features (B, F, H, W) into kernels (B, K, H, W) of sum one."""
    first, second = nn.Conv2d(width, width, 1), nn.Conv2d(width, taps, 1)
    return nn.Sequential(first, nn.PReLU(), second, nn.Softmax(dim=1))


def gather(features: Tensor, kernels: Tensor, kernel_size: int, dilation: int) -> Tensor:
    """Weigh each pixel's neighbours in (B, C, H, W) by its own kernel of (B, K, H, W)."""
    height, width = features.shape[-2:]
    reach = kernel_size // 2 * dilation
    padded = F.pad(features, (reach, reach, reach, reach), mode="replicate")
    total = torch.zeros_like(features)
    for tap in range(kernel_size**2):
        row, column = (dilation * step for step in divmod(tap, kernel_size))
        neighbours = padded[..., row : row + height, column : column + width]
        total = total + kernels[:, tap : tap + 1] * neighbours
    return total


class UNet(nn.Module):
    """See features at three resolutions; pixels turn into channels and back on the way.

    Args:
        width: channels in and out, even.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = convolve(width, width // 2)
        self.down = nn.Sequential(
            nn.PixelUnshuffle(2), convolve(2 * width, width), convolve(width, width)
        )
        self.deep = nn.Sequential(
            nn.PixelUnshuffle(2),
            convolve(4 * width, 8 * width),
            convolve(8 * width, 4 * width),
            nn.PixelShuffle(2),
        )
        self.up = nn.Sequential(
            convolve(2 * width, 2 * width), convolve(2 * width, 2 * width), nn.PixelShuffle(2)
        )
        self.leave = convolve(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F, H, W) for (B, F, H, W); height and width are multiples of four."""
        whole = self.enter(features)  # (B, F/2, H, W)
        half = self.down(whole)  # (B, F, H/2, W/2)
        half = torch.cat([half, self.deep(half)], dim=1)  # (B, 2F, H/2, W/2)
        left: Tensor = self.leave(torch.cat([whole, self.up(half)], dim=1))  # (B, F, H, W)
        return left


def convolve(inputs: int, outputs: int) -> nn.Sequential:
    """Make a 3×3 convolution, its normalization and its activation."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    return nn.Sequential(conv, AdaptiveNorm(outputs), nn.PReLU())


class AdaptiveNorm(nn.Module):
    """Mix the features with their normalization, as training finds best; at first they are as is.

    After Chen et al., "Fast Image Processing with Fully-Convolutional Networks", ICCV 2017.

    Args:
        channels: channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.plain_share = nn.Parameter(torch.tensor(1.0))
        self.norm_share = nn.Parameter(torch.tensor(0.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        mixed: Tensor = self.plain_share * features + self.norm_share * self.norm(features)
        return mixed


class Fusion(nn.Module):
    """Add the levels' features up, from the coarsest to the finest.

    Args:
        width: channels of the features.
        levels: how many there are.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU()) for _ in range(levels)
        )
        self.join = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(levels - 1))

    def forward(self, filtered: Sequence[Tensor]) -> Tensor:
        """Return (B, F, H, W), the finest size, for features each half the size of the next."""
        fused: Tensor = self.enter[0](filtered[0])
        for enter, join, finer in zip(self.enter[1:], self.join, filtered[1:], strict=True):
            fused = join(enter(finer) + F.interpolate(fused, scale_factor=2, mode="nearest"))
        return fused
