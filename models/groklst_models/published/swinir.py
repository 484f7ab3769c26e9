"""SwinIR as published."""

from groklst_models.published.parts import SHIFTED_WINDOW_BUFFERS, window_attention
from groklst_models.published.table import Published


def published(*, window: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    layer = "layers.*.residual_group.blocks.*"
    return Published(
        "JingyunLiang/SwinIR",
        {
            "stem": "conv_first",
            "stem_norm.norm": "patch_embed.norm",
            "groups.*.layers.*.attention_norm.norm": f"{layer}.norm1",
            **window_attention("groups.*.layers.*.attention", f"{layer}.attn", window),
            "groups.*.layers.*.mlp_norm.norm": f"{layer}.norm2",
            "groups.*.layers.*.mlp.*": f"{layer}.mlp.fc<i//2+1>",
            "groups.*.conv": "layers.*.conv",
            "groups_norm.norm": "norm",
            "conv": "conv_after_body",
            "head.0": "conv_before_upsample.0",
            "head.2.*": "upsample.*",
            "head.3": "conv_last",
        },
        idle=SHIFTED_WINDOW_BUFFERS,
    )
