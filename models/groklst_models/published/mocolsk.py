"""MoCoLSK-Net as published."""

from groklst_models.published.parts import PROJECTION, residual_group
from groklst_models.published.table import Fills, Published, within


def published(*, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "GrokCV/GrokLST",
        {
            "lst_stem.0": "lst_stem",
            "guide_stem.0": "gui_stem",
            **residual_group("lst_groups.*", "lst_rgs.*", blocks),
            **residual_group("guide_groups.*", "gui_rgs.*", blocks),
            **within("bridges.*.up", "bridges.*.lst_up", PROJECTION),
            **within("bridges.*.selection", "bridges.*.dlsk", _SELECTION),
            **within("bridges.*.down", "bridges.*.down", PROJECTION),
            **residual_group("reconstruction.0", "decoder.0", blocks),
            **within("reconstruction.1", "decoder.1", PROJECTION),
            **residual_group("reconstruction.*", "decoder.*", 2 * blocks),
            "head.*": "proj_head.*",
        },
        note="in the published code the samples of a batch share one convolution, the mean of "
        "their own",
    )


_SELECTION: Fills = {
    "near_view": "conv_lst",
    "far_view": "conv_spatial0",
    "near_squeeze": "conv1",
    "far_squeeze": "conv2",
    "weight_generation.query": "dynamic_mlp.conv1",
    "weight_generation.guide_matrix": "dynamic_mlp.conv2.0.dynamic_conv.get_weight",
    "weight_generation.query_norm": "dynamic_mlp.conv2.0.dynamic_conv.norm",
    "weight_generation.proposal": "dynamic_mlp.conv3",
    "weight_generation.proposal_norm": "dynamic_mlp.norm3",
    "weight_generation.shortcut": "dynamic_mlp.conv4",
    "expand": "conv",
}
