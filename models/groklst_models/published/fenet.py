"""FeNet (feature enhancement) as published."""

from groklst_models.published.table import Fills, Published, within


def published(*, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    fusions = (f"BFM.fuse{deep}{deep - 1}" for deep in range(blocks, 1, -1))
    return Published(
        "wangzheyuan-666/FeNet",
        {
            "stem.*": "fea_conv.*",
            **within("blocks.*.first", "LBs.*.CB1", _LATTICE),
            **within("blocks.*.second", "LBs.*.CB2", _LATTICE),
            **within("blocks.*.third", "LBs.*.CB3", _LATTICE),
            **within("blocks.*.deep_fusion", "LBs.*.AF1", _FUSION),
            **within("blocks.*.shallow_fusion", "LBs.*.AF2", _FUSION),
            "fusion.narrow.*.0": "BFM.conv<i+1>",
            **{f"fusion.mixes.{place}": fusion for place, fusion in enumerate(fusions)},
            "tail.0": "upsample.0",
            "tail.1.0": "upsample.1",
        },
        idle=("sub_mean", "add_mean"),
    )


_ATTENTION: Fills = {"squeeze": "conv_du.1", "excite": "conv_du.3"}

_LATTICE: Fills = {
    "convolutions.*": "convblock.*",
    **within("upper_attention", "A_att_conv", _ATTENTION),
    **within("lower_attention", "B_att_conv", _ATTENTION),
    "upper": "fuse2",
    "lower": "fuse1",
    "join": "fuse",
}

_FUSION: Fills = {
    **within("deep_attention", "CA1", _ATTENTION),
    **within("shallow_attention", "CA2", _ATTENTION),
    "mix": "fuse",
}
