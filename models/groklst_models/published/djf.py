"""DJF as published."""

from groklst_models.published.layout import Backwards
from groklst_models.published.table import Published, turned


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "GrokCV/GrokLST",
        {
            "filter.target_branch.*": "cnn_t.feature.*",
            "filter.guide_branch.*": "cnn_g.feature.*",
            "filter.fusion.0.weight": turned("cnn_f.feature.0.weight", Backwards(1)),
            "filter.fusion.*": "cnn_f.feature.*",
        },
        note="the published code pads convolutions differently, which changes results near borders",
    )
