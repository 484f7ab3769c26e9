"""CU-Net as published."""

from groklst_models.published.layout import NotNegative, arranged
from groklst_models.published.table import Fills, Published, turned, within


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "GrokCV/GrokLST",
        {
            **within("lst_coding", "net_u", _CODING),
            "lst_part": "conv_u",
            **within("guide_coding", "net_v", _CODING),
            "guide_part": "conv_v",
            **within("common_coding", "net_z", _CODING),
            "fine_from_lst": "decoder.conv_1",
            "fine_from_common": "decoder.conv_2",
        },
    )


_THRESHOLD = (
    NotNegative("thresholds below zero shrink differently in the published code"),
    arranged("1 ->"),
)

_CODING: Fills = {
    "shrink.threshold": turned("lam_in", *_THRESHOLD),
    "analysis": "layer_in",
    "steps.*.shrink.threshold": turned("lam_*", *_THRESHOLD),
    "steps.*.synthesis": "down_conv_*",
    "steps.*.analysis": "up_conv_*",
}
