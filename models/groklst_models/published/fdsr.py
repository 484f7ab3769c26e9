"""FDSR as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.table import Fills, Published, turned, within


def published(*, stages: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    square = 16  # pixels that became channels, whatever the scale is
    pixels = arranged("out (pixel band) ... -> out (band pixel) ...", pixel=square)
    last = f"rgb_cbl{stages + 1}.conv"
    return Published(
        "GrokCV/GrokLST",
        {
            "guide_stem.1.weight": turned("conv_rgb1.weight", pixels),
            "guide_stem.1.bias": "conv_rgb1.bias",
            **within("octaves.*", "rgb_cbl<i+2>.conv", _OCTAVE),
            "lst_stem.1": "conv_dp1",
            **within("blocks.*", "MSB<i+1>", _BLOCK),
            **within("reconstruction.0", f"MSB{stages + 1}", _BLOCK),
            "reconstruction.2": "conv_recon1",
            "reconstruction.4.0": "conv_recon2",
            "reconstruction.5": "restore",
        },
        idle=(f"{last}.conv_h2l", f"{last}.conv_l2l"),
    )


_OCTAVE: Fills = {
    "high_to_high": "conv_h2h",
    "high_to_low": "conv_h2l",
    "low_to_high": "conv_l2h",
    "low_to_low": "conv_l2l",
}

_BLOCK: Fills = {"near_view": "conv1", "far_view": "conv2", "fuse": "conv4"}
