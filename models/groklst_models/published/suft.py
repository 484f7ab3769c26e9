"""SUFT as published."""

from groklst_models.published.parts import PROJECTION, residual_group
from groklst_models.published.table import Published, within


def published(*, stages: int, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "GrokCV/GrokLST",
        {
            "guide_stem.0": "conv_rgb1",
            "lst_stem.0": "conv_dp1",
            "stages.*.guide_block.convolutions.*": "rgb_rb<i+2>.body.*",
            **residual_group("stages.*.lst_group", "dp_rg<i+1>", blocks),
            **within("stages.*.up", "bridge<i+1>.dp_up", PROJECTION),
            **within("stages.*.mirrored_up", "bridge<i+1>.dpf_up", PROJECTION),
            "stages.*.uncertainty.conv": "bridge<i+1>.conv_du",
            **within("stages.*.down", "bridge<i+1>.total_down", PROJECTION),
            **residual_group("coarse_group", f"dp_rg{stages + 1}", blocks),
            **within("up", "upsampler", PROJECTION),
            **residual_group("fine_groups.*", "tail.*", 2 * blocks),
            "head.0.0": "last_conv.0",
            "head.1": "last_conv.2",
        },
        idle=("bridge*.conv_du.bias",),
    )
