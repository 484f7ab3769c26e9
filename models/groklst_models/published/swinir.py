"""SwinIR as published."""

from groklst_models.published.parts import SHIFTED_WINDOW_BUFFERS, swin_frame, window_attention
from groklst_models.published.table import Published


def published(*, window: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    layer = "layers.*.residual_group.blocks.*"
    return Published(
        "JingyunLiang/SwinIR",
        {
            **swin_frame(light=False),
            "stem_norm.norm": "patch_embed.norm",
            "groups.*.layers.*.attention_norm.norm": f"{layer}.norm1",
            **window_attention("groups.*.layers.*.attention", f"{layer}.attn", window),
            "groups.*.layers.*.mlp_norm.norm": f"{layer}.norm2",
            "groups.*.layers.*.mlp.*": f"{layer}.mlp.fc<i//2+1>",
            "groups.*.conv": "layers.*.conv",
        },
        idle=SHIFTED_WINDOW_BUFFERS,
    )
