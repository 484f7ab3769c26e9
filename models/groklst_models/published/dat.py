"""DAT as published."""

import torch
from torch import Tensor

from groklst_models.published.parts import BATCH_STATISTICS, POSITION_NETWORK, swin_frame
from groklst_models.published.table import Fills, Published, Source, made_of, within

_EPSILON = 1e-5  # added to the variance by every normalization


def published(*, frozen_norms: bool, head_width: int | None, **_: object) -> Published:
    """Tell which tensor fills which; fixed statistics of batches are folded into the norms."""
    norms = {"near.1": "dwconv.1", "channel_gate.1": "channel_interaction.2"}
    norms |= {"cell_gate.1": "spatial_interaction.1"}
    kept: dict[str, str | Source] = {}
    for ours, there in norms.items():
        parts = [f"{there}.{name}" for name in ("weight", "running_var", "bias", "running_mean")]
        if frozen_norms:
            kept[f"{ours}.weight"] = made_of(frozen_weight, *parts[:2])
            kept[f"{ours}.bias"] = made_of(frozen_bias, *parts)
        else:
            kept[f"{ours}.norm"] = there
    attention: Fills = {
        "query_key_value": "qkv",
        **within("far.branches.*.position", "attns.*.pos", POSITION_NETWORK),
        "far.temperature": "temperature",
        **kept,
        "near.0": "dwconv.0",
        "channel_gate.*": "channel_interaction.<i+1>",
        "cell_gate.*": "spatial_interaction.*",
        "project": "proj",
    }
    layer: Fills = {
        "attention_norm.norm": "norm1",
        **within("attention", "attn", attention),
        "mlp_norm.norm": "norm2",
        "mlp.widen": "ffn.fc1",
        "mlp.norm": "ffn.sg.norm",
        "mlp.depthwise": "ffn.sg.conv",
        "mlp.narrow": "ffn.fc2",
    }
    return Published(
        "zhengchen1999/DAT",
        {
            **swin_frame(light=head_width is None),
            "stem_norm.norm": "before_RG.1",
            **within("groups.*.layers.*", "layers.*.blocks.*", layer),
            "groups.*.conv": "layers.*.conv",
            "groups.*.conv.*": "layers.*.conv.*",
            "conv.*": "conv_after_body.*",
        },
        idle=(
            *BATCH_STATISTICS,
            *("**.rpe_biases", "**.relative_position_index", "**.attn_mask_*"),
        ),
        differs=""
        if frozen_norms
        else (
            "the published code normalizes batches, not each pixel's channels; with --set "
            "arguments.frozen_norms=true both are the same"
        ),
    )


def frozen_weight(weight: Tensor, variance: Tensor) -> Tensor:
    """Fold a batch normalization's fixed variance into its weight."""
    return weight / torch.sqrt(variance + _EPSILON)


def frozen_bias(weight: Tensor, variance: Tensor, bias: Tensor, mean: Tensor) -> Tensor:
    """Fold a batch normalization's fixed statistics into its bias."""
    return bias - mean * frozen_weight(weight, variance)
