"""DKN: each fine pixel gathers the LST at places of its own, with weights of its own.

Kim, Ponce, Ham, "Deformable Kernel Networks for Joint Image Filtering", IJCV 2021,
https://arxiv.org/abs/1910.08373.

Two networks alike, one on the LST and one on the guidance, say for each fine pixel where nine
neighbours lie and how much each counts; the products of what they say make one sparse kernel, and
what it gathers from the interpolated LST is added to it. The fast form, FDKN, puts the pixels of a
square into channels and works at the coarse resolution.

The paper's network halves the resolution twice and therefore runs on 16 shifted copies, whose
results it weaves together. Ours computes the same function in one pass: a layer that follows a
stride of two and another of two is a layer on the whole map with a dilation of four (the algorithme
à trous). The published code starts its 3×3 neighbours at the pixel and samples half a pixel aside;
ours are centred on it, as in the paper, and offsets are pixels. Each pixel's channels are
normalized by themselves, not over the batch. None of this changes how many parameters there are.
"""

from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.upsample import bicubic


class DKN(nn.Module):
    """Downscale LST with kernels whose places and weights are made for each pixel.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        fast: whether kernels are made at the coarse resolution (FDKN).
        width: channels of the first layers; there are four times as many in the last.
        kernel_size: rows and columns of a kernel.
        window: rows and columns of the fine pixels that a kernel may gather from, odd.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        fast: bool = False,
        width: int = 32,
        kernel_size: int = 3,
        window: int = 15,
    ) -> None:
        super().__init__()
        self.scale = scale
        network = partial(FastKernelNetwork, square=scale) if fast else KernelNetwork
        self.guide_kernels = network(guide_channels, width, kernel_size**2)
        self.lst_kernels = network(1, width, kernel_size**2)
        self.gathering = Gathering(kernel_size, window)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        fine = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        guide_weights, guide_offsets = self.guide_kernels(guide)  # (B, K, …) and (B, 2K, …)
        lst_weights, lst_offsets = self.lst_kernels(fine)
        weights = guide_weights * lst_weights
        weights = weights - weights.mean(dim=1, keepdim=True)  # what is flat stays as it is
        neighbours = self.gathering(fine, guide_offsets * lst_offsets)  # (B, K, sh, sw)
        gathered: Tensor = (weights * neighbours).sum(dim=1, keepdim=True)
        return fine + gathered


class KernelNetwork(nn.Module):
    """Make the kernel of each pixel from the 50 × 50 pixels around it.

    Args:
        inputs: channels in.
        width: channels of the first layers; there are four times as many in the last.
        taps: neighbours in a kernel.
    """

    def __init__(self, inputs: int, width: int, taps: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ZeroPad2d((25, 24, 25, 24)),  # as much as the layers take off
            *(nn.Conv2d(inputs, width, 7), ChannelNorm(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 2), nn.ReLU()),
            *(nn.Conv2d(width, 2 * width, 5, dilation=2), ChannelNorm(2 * width), nn.ReLU()),
            *(nn.Conv2d(2 * width, 2 * width, 2, dilation=2), nn.ReLU()),
            *(nn.Conv2d(2 * width, 4 * width, 5, dilation=4), ChannelNorm(4 * width), nn.ReLU()),
            *(nn.Conv2d(4 * width, 4 * width, 3, dilation=4), nn.ReLU()),
            *(nn.Conv2d(4 * width, 4 * width, 3, dilation=4), nn.ReLU()),
        )
        self.weights = nn.Conv2d(4 * width, taps, 1)
        self.offsets = nn.Conv2d(4 * width, 2 * taps, 1)

    def forward(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights (B, K, H, W) and offsets (B, 2K, H, W) for (B, C, H, W)."""
        features = self.features(fine)  # (B, 4F, H, W)
        return torch.sigmoid(self.weights(features)), self.offsets(features)


class FastKernelNetwork(nn.Module):
    """Make the kernels of a square's pixels together, from the squares around it.

    Args:
        inputs: channels in.
        width: channels of the first layers; there are four times as many in the last.
        taps: neighbours in a kernel.
        square: pixels along a side of a square.
    """

    def __init__(self, inputs: int, width: int, taps: int, *, square: int) -> None:
        super().__init__()
        layer = partial(nn.Conv2d, kernel_size=3, padding=1)
        self.features = nn.Sequential(
            nn.PixelUnshuffle(square),
            *(layer(inputs * square**2, width), ChannelNorm(width), nn.ReLU()),
            *(layer(width, width), nn.ReLU()),
            *(layer(width, 2 * width), ChannelNorm(2 * width), nn.ReLU()),
            *(layer(2 * width, 2 * width), nn.ReLU()),
            *(layer(2 * width, 4 * width), ChannelNorm(4 * width), nn.ReLU()),
            *(layer(4 * width, 4 * width), nn.ReLU()),
        )
        self.weights = nn.Conv2d(4 * width, taps * square**2, 1)
        self.offsets = nn.Conv2d(4 * width, 2 * taps * square**2, 1)
        self.spread = nn.PixelShuffle(square)

    def forward(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights (B, K, H, W) and offsets (B, 2K, H, W) for (B, C, H, W)."""
        features = self.features(fine)  # (B, 4F, H/s, W/s)
        weights = torch.sigmoid(self.weights(features))
        return self.spread(weights), self.spread(self.offsets(features))


class Gathering(nn.Module):
    """Read the LST at each pixel's neighbours: a regular grid around it, each moved by its offset.

    Outside the image and outside the pixel's window there are zeros, and what is read there fades
    to zero within a pixel.

    Args:
        kernel_size: rows and columns of the grid.
        window: rows and columns around each pixel that neighbours are read from, odd.
    """

    grid: Tensor

    def __init__(self, kernel_size: int, window: int) -> None:
        super().__init__()
        self.reach = window // 2
        steps = torch.arange(kernel_size) - (kernel_size - 1) / 2
        grid = torch.cartesian_prod(steps, steps).T  # (2, K): rows, then columns
        self.register_buffer("grid", grid[..., None, None], persistent=False)

    def forward(self, fine: Tensor, offsets: Tensor) -> Tensor:
        """Return (B, K, H, W) for LST (B, 1, H, W) and offsets (B, 2K, H, W) in pixels."""
        height, width = fine.shape[-2:]
        moved = self.grid + offsets.reshape(len(offsets), 2, -1, height, width)  # (B, 2, K, H, W)
        kept = moved.clamp(-self.reach, self.reach)
        inside = (1 - (moved - kept).abs()).clamp(min=0).prod(dim=1)  # (B, K, H, W)
        down, right = kept.unbind(dim=1)
        rows = torch.arange(height, device=fine.device)[:, None] + down
        columns = torch.arange(width, device=fine.device) + right
        # grid_sample counts from -1 to 1, from the outer edge of the first pixel to the last's.
        places = torch.stack([(2 * columns + 1) / width, (2 * rows + 1) / height], dim=-1) - 1
        neighbours = F.grid_sample(
            fine, places.flatten(1, 2), padding_mode="zeros", align_corners=False
        )  # (B, 1, K·H, W)
        return inside * neighbours.reshape(len(offsets), -1, height, width)
