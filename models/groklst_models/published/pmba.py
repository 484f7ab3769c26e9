"""PMBANet as published."""

from groklst_models.published.parts import activated, back_projection, pixelwise
from groklst_models.published.table import Fills, Published, within


def published(*, stages: int, units: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "GrokCV/GrokLST",
        {
            **activated("lst_stem.*", "feat*"),
            **activated("guide_stem.2", "feat_color3"),
            **activated("guide_stem.*", "feat_color*"),
            **within("stages.*.multi_scale", "m<i+1>", _MULTI_SCALE),
            **within("stages.*.attention", "c<i+1>", _ATTENTION),
            **within("stages.*.reconstruction.units.*", "r<i+1>_<i+1>", _UNIT),
            **activated("stages.*.reconstruction.merge", "output_conv<i+1>_1"),
            **activated("downs.*", "down<i+2>"),
            "head": "output_conv.conv",
        },
        idle=(
            f"r*_{units + 1}.**",
            *(f"{name}{stages + 1}.**" for name in "mc"),
            *("c5.**", "down4.**", "feat_color2.**", "output_conv4_1.**", "output_conv5_1.**"),
        ),
    )


_ATTENTION: Fills = {**pixelwise("squeeze", "fc1"), **pixelwise("excite", "fc2")}

_MULTI_SCALE: Fills = {
    **activated("looks.*", "dilaconv<i+1>"),
    **activated("merge", "dilaconv1_2"),
    **activated("up", "direct_up1", "deconv"),
}

_UNIT: Fills = {
    **activated("0", "down1"),
    **activated("1", "conv1"),
    **activated("2.spread", "up_1", "deconv"),
    **back_projection("3", "", first="up"),
}
