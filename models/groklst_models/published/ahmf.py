"""AHMF as published."""

from groklst_models.published.layout import Joined
from groklst_models.published.parts import BLOCK, activated
from groklst_models.published.table import Fills, Published, made_of, within


def published(*, scale: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    octaves = scale.bit_length() - 1
    return Published(
        "GrokCV/GrokLST",
        {
            "lst_branch.steps.0.*": "head.depth_in.*",
            **activated("lst_branch.steps.*", "depth_conv.<i-1>", "layers"),
            "guide_branch.steps.0.0.*": "head.guidance_in.*",
            "guide_branch.steps.0.1.*.0": "head.guidance_in.2.<i//2*3+1>",
            "guide_branch.steps.0.1.*.1": "head.guidance_in.2.<i//2*3+2>",
            **activated("guide_branch.steps.*", "rgb_conv.<i-1>", "layers"),
            **within("fusions.*", "fuse_conv.*", _FUSION),
            **within("collaboration.refinements.*", "compress_out.*.layers", _REFINEMENT),
            **within("collaboration.downward.*", "forward_gru_cell.cell_list.*", _RECURRENT),
            **within("collaboration.upward.*", "reverse_gru_cell.cell_list.*", _RECURRENT),
            **activated("reconstruction.0", "up_conv.0", "layers"),
            "reconstruction.1.*": "up_conv.<i+1>",
            "reconstruction.2": f"up_conv.{3 * octaves + 1}.layers",
        },
    )


_REFINEMENT: Fills = {**within("0", "", BLOCK), "1": "act"}

_FUSION: Fills = {
    "guide_enhancement.gate": "filter_conv.Attention.0",
    "guide_enhancement.conv.*": "filter_conv.Feature.*",
    "lst_enhancement.gate": "filter_conv1.Attention.0",
    "lst_enhancement.conv.*": "filter_conv1.Feature.*",
    **activated("squeeze", "attention_layer.squeeze", "layers"),
    "lst_excite": "attention_layer.excitation1.layers",
    "guide_excite": "attention_layer.excitation2.layers",
    **within("refinement", "res_conv", _REFINEMENT),
}

_RECURRENT: Fills = {
    "gates": made_of(Joined(), "reset_gate", "update_gate"),
    "candidate": "out_gate",
}
