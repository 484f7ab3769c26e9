"""SRFormer as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.parts import SHIFTED_WINDOW_BUFFERS, swin_frame
from groklst_models.published.table import Fills, Published, turned, within


def published(*, window: int, head_width: int | None, **_: object) -> Published:
    """Tell which tensor fills which."""
    table = arranged("(row column) head -> head row column", row=window - 1)
    layer: Fills = {
        "attention_norm.norm": "norm1",
        "attention.query": "attn.q",
        "attention.key_value": "attn.kv",
        "attention.position_bias.table": turned("attn.relative_position_bias_table", table),
        "attention.project": "attn.proj",
        "mlp_norm.norm": "norm2",
        "mlp.widen": "mlp.fc1",
        "mlp.depthwise": "mlp.dwconv.depthwise_conv.0",
        "mlp.narrow": "mlp.fc2",
    }
    return Published(
        "HVision-NKU/SRFormer",
        {
            **swin_frame(light=head_width is None),
            "stem_norm.norm": "patch_embed.norm",
            **within("groups.*.layers.*", "layers.*.residual_group.blocks.*", layer),
            "groups.*.conv": "layers.*.conv",
        },
        idle=(*SHIFTED_WINDOW_BUFFERS, "**.aligned_relative_position_index"),
    )
