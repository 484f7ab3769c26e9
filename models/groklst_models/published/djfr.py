"""DJFR as published."""

from groklst_models.published.table import Published


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "GrokCV/GrokLST",
        {
            "filter.target_branch.*": "depth_encoder.<i//2>.layers",
            "filter.guide_branch.*": "rgb_encoder.<i//2>.layers",
            "filter.fusion.*": "decoder.<i//2>.layers",
        },
        note="the published code pads convolutions differently, which changes results near borders",
    )
