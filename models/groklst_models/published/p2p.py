"""PixTransform, trained, as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.table import Published, turned


def published(**_: object) -> Published:
    """Tell which tensor fills which; the 1×1 convolutions are linear layers in ours."""
    linear = arranged("out in 1 1 -> out in")
    return Published(
        "GrokCV/GrokLST",
        {
            "lst_branch.*.weight": turned("spatial_net.*.weight", linear),
            "lst_branch.*.bias": "spatial_net.*.bias",
            "guide_branch.*.weight": turned("color_net.*.weight", linear),
            "guide_branch.*.bias": "color_net.*.bias",
            "head.*.weight": turned("head_net.<i+1>.weight", linear),
            "head.*.bias": "head_net.<i+1>.bias",
        },
    )
