"""DBPN as published."""

from groklst_models.published.layout import Backwards
from groklst_models.published.parts import activated, back_projection
from groklst_models.published.table import Published, turned


def published(*, width: int, **_: object) -> Published:
    """Tell which tensor fills which; units are given their newest maps first there."""
    newest_first = Backwards(1, size=width)
    return Published(
        "alterzero/DBPN-Pytorch",
        {
            **activated("stem", "feat0"),
            **activated("stem.2", "feat1"),
            **back_projection("first_up", "up1", first="up"),
            **back_projection("downs.0", "down1", first="down"),
            **back_projection("ups.0", "up2", first="up"),
            "downs.*.0.0.weight": turned("down<i+1>.conv.conv.weight", newest_first),
            **activated("downs.*.0", "down<i+1>.conv"),
            **back_projection("downs.*.1", "down<i+1>", first="down"),
            "ups.*.0.0.weight": turned("up<i+2>.conv.conv.weight", newest_first),
            **activated("ups.*.0", "up<i+2>.conv"),
            **back_projection("ups.*.1", "up<i+2>", first="up"),
            "head.weight": turned("output_conv.conv.weight", newest_first),
            "head.bias": "output_conv.conv.bias",
        },
    )
