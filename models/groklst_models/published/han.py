"""HAN as published."""

from groklst_models.published.layout import Backwards, arranged
from groklst_models.published.parts import residual_group
from groklst_models.published.table import Published, turned


def published(*, width: int, groups: int, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which; the published network holds its newest features first."""
    newest_first = Backwards(1, size=width)
    scalar = arranged("1 ->")
    return Published(
        "wwlCape/HAN",
        {
            "stem": "head.0",
            **residual_group("trunk.*", "body.*", blocks),
            f"trunk.{groups}": f"body.{groups}",
            "upsample.*": "tail.0.*",
            "head": "tail.1",
            "merge.weight": turned("last_conv.weight", newest_first),
            "merge.bias": "last_conv.bias",
            "layer_attention.weight": turned("la.gamma", scalar),
            "position_attention.weight": turned("csa.gamma", scalar),
            "position_attention.conv": "csa.conv",
        },
        idle=("last",),
        differs="the published code gives the largest weights to the least similar layers, by a "
        "sum over the values, and convolves the last features before they are added",
    )
