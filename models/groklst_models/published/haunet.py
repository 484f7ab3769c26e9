"""HAUNet as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.table import Fills, Published, Source, turned, within


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "likakakaka/HAUNet_RSISR",
        {
            "stem": "intro",
            **within("full_encoder.*", "encoders.0.*", _BLOCK),
            **within("half_encoder.*", "encoders.1.*", _BLOCK),
            **within("quarter_encoder.*", "enc_middle_blks.*", _BLOCK),
            "to_half": "downs.0",
            "to_quarter": "downs.1",
            **within("lateral", "lateral_nafblock.qkv.0", _lateral()),
            **within("quarter_decoder.*", "dec_middle_blks.*", _BLOCK),
            **within("half_decoder.*", "decoders.0.*", _BLOCK),
            **within("full_decoder.*", "decoders.1.*", _BLOCK),
            "from_quarter": "ups.0.0",
            "from_half": "ups.1.0",
            "head.0": "up.0",
        },
        differs="in the published code the third map of the cross-scale block bypasses its "
        "projection",
    )


_SHARE = arranged("1 channel 1 1 -> channel 1 1")

_BLOCK: Fills = {
    "norm.norm": "norm1",
    "query_key_value.0": "qkv",
    "query_key_value.1": "qkv_dwconv",
    "temperature": "temperature",
    "project": "project_out",
    "weight": turned("beta", _SHARE),
    "pixel_temperature": "temperature2",
    "pixel_project": "project_out2",
    "pixel_weight": turned("beta2", _SHARE),
    "feed_forward.norm.norm": "norm2",
    "feed_forward.expand": "conv4",
    "feed_forward.project": "conv5",
    "feed_forward.weight": turned("gamma", _SHARE),
}


def _lateral() -> Fills:
    """Tell of the cross-scale block, whose layers of the second and third map are numbered."""
    fills: dict[str, str | Source] = {"key_value.0": "kv", "key_value.1": "kv_dwconv"}
    for place, number in enumerate(("", "1", "2")):
        marked = f"_{number}" if number else ""
        fills[f"norms.{place}.norm"] = f"normq{number}"
        fills |= within(
            f"branches.{place}",
            "",
            {
                "query.0": f"q{number}",
                "query.1": f"q{number}_dwconv",
                "temperature": f"temperature{number}",
                "project": f"project_out{number}",
                "weight": turned(f"beta{number}", _SHARE),
                "feed_forward.norm.norm": f"norm2{marked}",
                "feed_forward.expand": f"conv4{marked}",
                "feed_forward.project": f"conv5{marked}",
                "feed_forward.weight": turned(f"gamma{number}", _SHARE),
            },
        )
    return fills
