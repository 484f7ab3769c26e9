"""SRCNN: interpolate first, then let three convolutions sharpen what came out.

Dong, Loy, He, Tang, "Image Super-Resolution Using Deep Convolutional Networks", IEEE TPAMI 2016
(first at ECCV 2014), https://arxiv.org/abs/1501.00092.

The first convolution describes each neighbourhood of the interpolated LST, the second maps the
description pixel by pixel to that of a sharp one, and the third paints the result. It was the first
convolutional network for the task, and the smallest here by far.

Ours pads the borders, so the result covers the grid; the paper's loses six pixels a side.
"""

from typing import ClassVar

from torch import Tensor, nn

from groklst_models.blocks.upsample import bicubic


class SRCNN(nn.Module):
    """Downscale LST with three convolutions on the fine grid.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels that describe a neighbourhood.
        mapped: channels that this description is mapped to.
        kernel_sizes: of the three convolutions, odd.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        mapped: int = 32,
        kernel_sizes: tuple[int, int, int] = (9, 1, 5),
    ) -> None:
        super().__init__()
        self.scale = scale
        first, second, third = kernel_sizes
        self.describe = nn.Conv2d(1, width, first, padding=first // 2)
        self.map = nn.Conv2d(width, mapped, second, padding=second // 2)
        self.reconstruct = nn.Conv2d(mapped, 1, third, padding=third // 2)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        interpolated = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        described = self.describe(interpolated).relu()  # (B, F, sh, sw)
        mapped = self.map(described).relu()  # (B, M, sh, sw)
        fine: Tensor = self.reconstruct(mapped)  # (B, 1, sh, sw)
        return fine
