"""SAFMN as published."""

from groklst_models.published.table import Published


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "sunny2109/SAFMN",
        {
            "stem": "to_feat",
            "blocks.*.modulation.0.norm": "feats.*.norm1",
            "blocks.*.modulation.1.views.*": "feats.*.safm.mfr.*",
            "blocks.*.modulation.1.join": "feats.*.safm.aggr",
            "blocks.*.mixer.0.norm": "feats.*.norm2",
            "blocks.*.mixer.*": "feats.*.ccm.ccm.<i-1>",
            "head.0": "to_img.0",
        },
        differs="the published code does not add the interpolated LST to the result",
    )
