"""CTNet as published."""

from groklst_models.published.parts import ENHANCED_SPATIAL_ATTENTION, THREE_CONVOLUTIONS
from groklst_models.published.table import Fills, Published, within


def published(*, scale: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    attention = {**ENHANCED_SPATIAL_ATTENTION, **THREE_CONVOLUTIONS}
    return Published(
        "BITszwang/CTNet",
        {
            "stem": "conv_first",
            **within("blocks.*.layers.*", "ctb<i+1>.ctl<i+1>", _LAYER),
            **within("blocks.*.0", "cem<i+1>", attention),
            **within("blocks.*.1.layers.*", "ctb<i+1>.ctl<i+1>", _LAYER),
            "shares.*": "cfa<i+1>",
            "aggregation": "c",
            "tail.*.conv": "upconv<i+1>",
            "tail.*.gate": "att<i+1>.conv",
            "tail.*.smooth": "HRconv<i+1>",
            f"tail.{scale.bit_length() - 1}": "conv_last",
        },
        idle=("ctb*.ctl*.cfe.*.k3.**", "ctb*.ctl*.cfe.*.k4.**"),
    )


_LAYER: Fills = {
    "gather": "cfe.0.k1.0",
    "surroundings": "cfe.0.k2.1",
    "transform": "cft.0",
    "shortcut": "feat_enhanced.0",
}
