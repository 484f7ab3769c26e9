"""DLGSANet: kernels made for each cell look near, channels that attend to each other look far.

Li, Dong, Tang, Pan, "DLGSANet: Lightweight Dynamic Local and Global Self-Attention Network for
Image Super-Resolution", ICCV 2023, https://arxiv.org/abs/2301.02031.

Two kinds of layers take turns. The local one filters each cell by kernels that a small network
makes for that cell alone; the global one weighs channels by how alike they are over the map, with
ReLU in softmax's place, so that what is not alike counts nothing.

Ours differs from the published code in how the local layer is computed: shift by shift in plain
PyTorch, on any device, where there it needs CUDA. As there, training attends over the whole patch
and evaluation in overlapping windows, whose mean counts; up to `window` coarse pixels both are the
same. Ours does it for a batch too, where the published code takes one sample. The window is the
benchmark's; the authors have 96, 72 and 48 for scales of 2, 3 and 4.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.gated_feed_forward import GatedFeedForward
from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.swin_frame import EPSILON, SwinGroup, convolution
from groklst_models.blocks.upsample import SubPixelHead


class DLGSANet(nn.Module):
    """Downscale LST with dynamic local filters and sparse global attention.

    The paper's light model has `width=48, groups=4, blocks=3`, its tiny one three such groups.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features, a multiple of `sharing` and of the heads.
        groups: how many groups of layers.
        blocks: pairs of a local and a global layer in a group.
        kernel_size: rows and columns of the kernel made for each cell, odd.
        sharing: how many channels share a kernel.
        heads: attention heads of a global layer.
        expansion: how many times wider a layer's gated network is inside.
        window: coarse pixels that a window of attention may have along a side in evaluation.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 90,
        groups: int = 6,
        blocks: int = 4,
        kernel_size: int = 7,
        sharing: int = 6,
        heads: int = 6,
        expansion: int = 2,
        window: int = 96,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.body = nn.Sequential()
        for _ in range(groups):
            layers: list[nn.Module] = []
            for _ in range(blocks):
                layers.append(LocalLayer(width, kernel_size, sharing, expansion))
                layers.append(GlobalLayer(width, heads, window, expansion))
            self.body.append(SwinGroup(width, layers, convolution))
        self.body.append(convolution(width))
        self.head = SubPixelHead(width, scale=scale)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        shallow = shallow.contiguous(memory_format=torch.channels_last)  # as normalizations read
        fine: Tensor = self.head(shallow + self.body(shallow))  # (B, 1, sh, sw)
        return fine


class LocalLayer(nn.Module):
    """Add what a kernel of its own makes of each cell's surroundings (MHDLSA).

    Args:
        width: channels in and out.
        kernel_size: rows and columns of the kernels, odd.
        sharing: how many channels share a kernel.
        expansion: of the gated network that follows.
    """

    def __init__(self, width: int, kernel_size: int, sharing: int, expansion: int) -> None:
        super().__init__()
        inside, kernels = width // 4, width // sharing
        self.norm = ChannelNorm(width, epsilon=EPSILON)
        self.values = nn.Conv2d(width, width, 1, bias=False)
        self.kernels = nn.Sequential(
            nn.Conv2d(width, inside, 1),
            nn.Conv2d(inside, inside, kernel_size, padding=kernel_size // 2, groups=inside),
            nn.Conv2d(inside, kernels * kernel_size**2, 1),
            nn.Unflatten(1, (kernels, kernel_size, kernel_size)),
        )
        self.project = nn.Conv2d(width, width, 1, bias=False)
        self.feed_forward = GatedFeedForward(width, expansion=expansion, epsilon=EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        values = self.values(self.norm(features)).contiguous()  # filters cells of a row at once
        filtered = filter_cells(values, self.kernels(values))
        fed: Tensor = self.feed_forward(features + self.project(filtered))
        return fed


def filter_cells(values: Tensor, kernels: Tensor) -> Tensor:
    """Sum each cell's surroundings by a kernel of its own; beyond the edges there are zeros.

    One place of all kernels after the other: the surroundings of all cells together would take
    K² times the map's memory. The sum is kept in float32 where its terms are in half precision.

    Args:
        values: (B, C, H, W).
        kernels: (B, G, K, K, H, W); each serves C/G neighbouring channels.

    Returns:
        Sums (B, C, H, W).
    """
    batch, channels, height, width = values.shape
    count, size = kernels.shape[1:3]
    padded = functional.pad(values, (size // 2,) * 4)
    padded = padded.reshape(batch, count, channels // count, *padded.shape[2:])
    exact = torch.promote_types(values.dtype, torch.float32)
    sums = torch.zeros_like(padded[..., :height, :width], dtype=exact)  # (B, G, C/G, H, W)
    for row, across in enumerate(kernels.unsqueeze(2).unbind(3)):
        band = padded[..., row : row + height, :]
        for column, weights in enumerate(across.unbind(3)):  # (B, G, 1, H, W)
            sums = torch.addcmul(sums, weights, band[..., column : column + width])
    return sums.flatten(1, 2)


class GlobalLayer(nn.Module):
    """Add what channels see in each other over the map, where they are alike (SparseGSA).

    Args:
        width: channels in and out.
        heads: groups of channels that see each other.
        window: the most rows and columns over which they are compared in evaluation.
        expansion: of the gated network that follows.
    """

    def __init__(self, width: int, heads: int, window: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = ChannelNorm(width, epsilon=EPSILON)
        self.query_key_value = nn.Sequential(
            nn.Conv2d(width, 3 * width, 1, bias=False),
            nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False),
        )
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(width, width, 1, bias=False)
        self.feed_forward = GatedFeedForward(width, expansion=expansion, epsilon=EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        parts = self.query_key_value(self.norm(features))  # (B, 3C, H, W)
        attended = self.attend(parts) if self.training else self.attend_in_windows(parts)
        fed: Tensor = self.feed_forward(features + self.project(attended))
        return fed

    def attend(self, parts: Tensor) -> Tensor:
        """Return (B, C, H, W) for query, key and value in one, (B, 3C, H, W)."""
        batch, channels, height, width = parts.shape
        courses = parts.reshape(batch, 3, self.heads, channels // (3 * self.heads), height * width)
        query, key, value = courses.unbind(1)  # (B, heads, C/heads, H·W) each
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        weights = functional.relu(query @ key.mT * self.temperature)
        return (weights @ value).reshape(batch, channels // 3, height, width)

    def attend_in_windows(self, parts: Tensor) -> Tensor:
        """Return the mean of what all windows over a cell say, for parts as `attend` takes them."""
        height, width = parts.shape[-2:]
        rows, columns = starts(height, self.window), starts(width, self.window)
        query, _, _ = parts.chunk(3, dim=1)
        sums, counts = torch.zeros_like(query), torch.zeros_like(query[:1, :1])
        for row in rows:
            for column in columns:
                window = (..., slice(row, row + self.window), slice(column, column + self.window))
                sums[window] += self.attend(parts[window])
                counts[window] += 1
        return sums / counts


def starts(side: int, window: int) -> list[int]:
    """Tell where windows begin that cover a side with the least overlap; the last ends with it.

    Args:
        side: how many cells there are.
        window: how many cells a window has; it may be more than there are.
    """
    spare = side - window
    if spare <= 0:
        return [0]
    step = -(-spare // ((side - 1) // window))
    return [*range(0, spare, step), spare]
