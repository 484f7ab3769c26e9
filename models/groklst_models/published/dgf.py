"""DGF as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.parts import BATCH_STATISTICS
from groklst_models.published.table import Published, turned


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    scalar = arranged("1 ->")
    window = arranged("1 1 row column -> (row column)", row=3)
    return Published(
        "wuhuikai/DeepGuidedFilter",
        {
            "to_guide.1.plain_share": turned("guided_map.1.w_0", scalar),
            "to_guide.1.norm_share": turned("guided_map.1.w_1", scalar),
            "to_guide.1.norm.norm": "guided_map.1.bn",
            "to_guide.*": "guided_map.*",
            "mean.logits": turned("gf.box_filter.weight", window),
            "to_slope.*.norm": "gf.conv_a.*",
            "to_slope.*": "gf.conv_a.*",
        },
        idle=BATCH_STATISTICS,
        differs="the published code normalizes batches, not each pixel's channels; its window "
        "weights do not sum to one, and its line passes through the means of the window",
    )
