"""DKN and FDKN as published."""

from groklst_models.published.layout import Backwards, arranged
from groklst_models.published.parts import BATCH_STATISTICS
from groklst_models.published.table import Fills, Published, Source, turned, within


def published(*, scale: int, fast: bool, kernel_size: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    kernels = _kernels(scale**2 if fast else 1, kernel_size)
    return Published(
        "GrokCV/GrokLST",
        {
            **within("guide_kernels", "ImageKernel", kernels),
            **within("lst_kernels", "DepthKernel", kernels),
        },
        idle=BATCH_STATISTICS,
        differs="the published code normalizes batches, not each pixel's channels, and counts "
        "neighbours from the pixel and half a pixel aside, not around it",
    )


def _kernels(pixels: int, size: int) -> Fills:
    """Tell of one of the two networks; columns go before rows there, among taps and in offsets.

    Args:
        pixels: of a square that became channels; 1 without.
        size: rows and columns of taps.
    """
    bands = arranged("out (pixel band) ... -> out (band pixel) ...", pixel=pixels)
    fills: dict[str, str | Source] = {
        "features.1.weight": turned("conv1.weight", bands),
        **{f"features.{place}": f"conv{n}" for n, place in enumerate(_CONVOLUTIONS, start=1)},
        **{f"features.{5 * n + 2}.norm": f"conv{2 * n + 1}_bn" for n in range(3)},
    }
    rows = arranged("(x y pixel) ... -> (y x pixel) ...", x=size, y=size)
    offsets = arranged("(x y axis pixel) ... -> (axis y x pixel) ...", x=size, y=size, axis=2)
    return {
        **fills,
        "weights": turned("conv_weight", rows),
        "offsets": turned("conv_offset", offsets, Backwards(0, size=size**2 * pixels)),
    }


_CONVOLUTIONS = (1, 4, 6, 9, 11, 14, 16)
"""Places among ours; the fast network has all but the last."""
