"""Parts that several published networks call alike, each a table of its own."""

from groklst_models.published.layout import arranged
from groklst_models.published.table import Fills, turned, within

CHANNEL_ATTENTION: Fills = {"squeeze": "conv_du.0", "excite": "conv_du.2"}

PROJECTION: Fills = {"project.*": "conv_1.*", "back.*": "conv_2.*", "correct.*": "conv_3.*"}
"""An up- or down-projection, each step a convolution and its activation."""

ENHANCED_SPATIAL_ATTENTION: Fills = {
    "reduce": "conv1",
    "stride": "conv2",
    "shortcut": "conv_f",
    "expand": "conv4",
}
"""All but its inner convolutions, which are not always as many."""

THREE_CONVOLUTIONS: Fills = {
    "convolutions.0": "conv_max",
    "convolutions.2": "conv3",
    "convolutions.4": "conv3_",
}
"""The inner convolutions of that attention in its first form."""


BLOCK: Fills = {
    "convolutions.0": "layers.0.layers",
    "convolutions.1": "layers.0.act",
    "convolutions.2": "layers.1.layers",
}
"""Two convolutions and the activation between them."""


def residual_group(ours: str, published: str, blocks: int) -> Fills:
    """Tell of a group of RCAN's blocks, which ends in a convolution."""
    return within(
        ours,
        published,
        {
            "blocks.*.convolutions.*": "body.*.body.*",
            **within("blocks.*.attention", "body.*.body.3", CHANNEL_ATTENTION),
            "conv": f"body.{blocks}",
        },
    )


def back_projection(ours: str, published: str, *, first: str) -> Fills:
    """Tell of a projection of DBPN's authors, whose keys name each convolution's kind.

    Args:
        ours: Our name for it.
        published: Theirs.
        first: ``up`` or ``down``: where it goes first.
    """
    kinds = ("deconv", "conv", "deconv") if first == "up" else ("conv", "deconv", "conv")
    fills: dict[str, str] = {}
    for step, (name, kind) in enumerate(zip(("project", "back", "correct"), kinds, strict=True)):
        fills |= activated(name, f"{first}_conv{step + 1}", kind)
    return within(ours, published, fills)


def activated(ours: str, published: str, layer: str = "conv") -> dict[str, str]:
    """Tell of a layer and the activation after it."""
    return {f"{ours}.0": f"{published}.{layer}", f"{ours}.1": f"{published}.act"}


LINEAR = arranged("out in -> out in 1 1")
"""Makes weights of a linear layer those of a 1×1 convolution."""


def pixelwise(ours: str, published: str) -> Fills:
    """Tell of a 1×1 convolution that is published as a linear layer."""
    weight = turned(f"{published}.weight", LINEAR)
    return {f"{ours}.weight": weight, f"{ours}.bias": f"{published}.bias"}


def window_attention(ours: str, published: str, window: int) -> Fills:
    """Tell of an attention in windows, whose biases are published as a list of offsets."""
    table = arranged("(row column) head -> head row column", row=2 * window - 1)
    return within(
        ours,
        published,
        {
            "query_key_value": "qkv",
            "position_bias.table": turned("relative_position_bias_table", table),
            "project": "proj",
        },
    )


SHIFTED_WINDOW_BUFFERS = ("**.relative_position_index", "**.attn_mask")
"""What is made from sizes alone and kept with the weights all the same."""

BATCH_STATISTICS = ("**.running_mean", "**.running_var", "**.num_batches_tracked")
"""What batch normalizations keep; where they are not ours, nothing depends on it."""

POSITION_NETWORK: Fills = {"layers.0": "pos_proj", "layers.*.*": "pos*.*"}
"""What makes biases from offsets, layer by layer."""


def swin_frame(*, light: bool) -> Fills:
    """Tell of what stands around the groups of SwinIR and of networks in its frame.

    Args:
        light: Whether the head goes to the fine grid at once.
    """
    head = {"head.0": "conv_before_upsample.0", "head.2.*": "upsample.*", "head.3": "conv_last"}
    return {
        "stem": "conv_first",
        "groups_norm.norm": "norm",
        "conv": "conv_after_body",
        **({"head.0": "upsample.0"} if light else head),
    }
