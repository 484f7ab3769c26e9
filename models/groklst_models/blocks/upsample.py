"""Ways to the fine grid: interpolation of the LST itself, and sub-pixel convolution of features."""

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional


def bicubic(lst: Tensor, scale: int) -> Tensor:
    """Interpolate (B, C, h, w) to (B, C, sh, sw) by cubic convolution; pixels keep their area."""
    return functional.interpolate(lst, scale_factor=scale, mode="bicubic", align_corners=False)


def bilinear(lst: Tensor, scale: int) -> Tensor:
    """Interpolate (B, C, h, w) to (B, C, sh, sw) linearly; pixels keep their area."""
    return functional.interpolate(lst, scale_factor=scale, mode="bilinear", align_corners=False)


class PixelShuffleUpsampler(nn.Sequential):
    """Double height and width by a convolution and a pixel shuffle, as often as the scale needs.

    The upsampler of EDSR (Lim et al., CVPRW 2017): channels stay as many.

    Args:
        channels: channels in and out.
        scale: how many times finer the output is, a power of two.
        kernel_size: of the convolutions, odd.
        groups: of the convolutions.
        activation: makes what follows each pixel shuffle; nothing by default.
    """

    def __init__(
        self,
        channels: int,
        *,
        scale: int,
        kernel_size: int = 3,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        steps: list[nn.Module] = []
        for _ in range(int(math.log2(scale))):
            padding = kernel_size // 2
            steps.append(
                nn.Conv2d(channels, 4 * channels, kernel_size, padding=padding, groups=groups)
            )
            steps.append(nn.PixelShuffle(2))
            if activation is not None:
                steps.append(activation())
        super().__init__(*steps)


class SubPixelHead(nn.Sequential):
    """Turn features into the fine LST by one 3×3 convolution and one pixel shuffle.

    After ESPCN (Shi et al., CVPR 2016): (B, C, h, w) becomes (B, 1, sh, sw).

    Args:
        channels: channels in.
        scale: how many times finer the output is.
    """

    def __init__(self, channels: int, *, scale: int) -> None:
        super().__init__(nn.Conv2d(channels, scale**2, 3, padding=1), nn.PixelShuffle(scale))


class UpsamplingHead(nn.Sequential):
    """Turn features into the fine LST, doubling height and width at a width of its own.

    The head of SwinIR (Liang et al., ICCVW 2021): (B, C, h, w) becomes (B, 1, sh, sw).

    Args:
        channels: channels in.
        width: channels on the way to the fine grid.
        scale: how many times finer the output is, a power of two.
    """

    def __init__(self, channels: int, width: int, *, scale: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.LeakyReLU(),
            PixelShuffleUpsampler(width, scale=scale),
            nn.Conv2d(width, 1, 3, padding=1),
        )
