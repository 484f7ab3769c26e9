"""RSAG as published."""

from groklst_models.published.parts import CHANNEL_ATTENTION
from groklst_models.published.table import Fills, Published, Source, within


def published(*, scale: int, **_: object) -> Published:
    """Tell which tensor fills which; levels are counted from the coarsest there."""
    levels = scale.bit_length() - 1
    climbs: dict[str, str | Source] = {}
    for level in range(levels):
        place = levels - 1 - level
        climbs |= within(f"climbs.{level}.structure", f"att.{place}", _STRUCTURE)
        climbs |= within(f"climbs.{level}.step", f"up_blocks.{place}", _STEP)
        climbs[f"lst_stems.{level}"] = f"up.{place}"
    return Published(
        "Yuanjiayii/DSR_RSAG",
        {
            "lst_head": "head",
            "guide_head": "rgb_head",
            **climbs,
            "descents.*.0": "down.*.dual_module.0.0",
            "descents.*.2": "down.*.dual_module.1",
            "smooth_branch.down.0": "down_lf.0.dual_module.0.0",
            "smooth_branch.down.2": "down_lf.0.dual_module.1",
            "smooth_branch.up.0": "up_lf.conv",
            "smooth_branch.up.1": "up_lf.activation",
            "smooth_branch.tail": "tail_lf",
            "edge_tail": "tail",
            "contrast.contrasts.*.small": "conv35.conv<i*2+1>",
            "contrast.contrasts.*.large": "conv35.conv<i*2+2>",
            "contrast.first_activations.*": "conv35.relu<i+3>",
            "contrast.last_activations.*": "conv35.relu<i+5>",
        },
        idle=(
            *("att.*.ca2.conv_du.*", "att.*.sp2.conv1", "att.*.trans_4"),
            *("conv35.conv7", "conv35.relu1", "conv35.relu2"),
        ),
        stand_ins={"rgb_head": "head"},
        note="the benchmark's copy reads the features of each upsampling step in the smooth "
        "branch, which changes its results",
    )


_STRUCTURE: Fills = {
    "share": "gamma",
    "guide_contrast.small": "trans_1",
    "guide_contrast.large": "trans_2",
    "guide_activations.0": "relu5",
    "guide_activations.1": "relu2",
    "whole.0": "trans_3",
    "whole.1": "relu1",
    "lst_contrast.small": "trans_6",
    "lst_contrast.large": "trans_5",
    "lst_activations.0": "relu3",
    "lst_activations.1": "relu4",
    **within("channel_attention", "ca1", CHANNEL_ATTENTION),
    "gate.conv": "sp1.conv1",
}

_STEP: Fills = {
    **within("*.convolutions.3", "*.body.3", CHANNEL_ATTENTION),
    "*.convolutions.*": "*.body.*",
    "*.gate.conv": "*.body.4.conv1",
    "*.0": "*.0",
    "*": "*",
}
