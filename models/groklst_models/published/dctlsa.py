"""DCTLSA as published."""

from groklst_models.published.parts import BATCH_STATISTICS, pixelwise
from groklst_models.published.table import Fills, Published, within


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    group = "B<i+1>.body.*.transformer_body.0"
    return Published(
        "zengkun301/DCTLSA",
        {
            "stem": "fea_conv",
            "joins.*.0": "c<i+1>.0",
            "blocks.*.*.0.norm": f"{group}.patch_embed.norm",
            **within("blocks.*.*.*", f"{group}.blocks.<i-1>", _LAYER),
            "fuse.0.0": "c.0",
            "fuse.1": "LR_conv",
            "head.0": "upsampler.0",
        },
        idle=BATCH_STATISTICS,
        differs="the published code normalizes batches, not each pixel's channels, and its "
        "shifted windows wrap around to the opposite edge",
    )


_LAYER: Fills = {
    "near.0.norm": "attn.local.pointwise_prenorm_0",
    "near.1": "attn.local.pointwise_conv_0",
    "near.2": "attn.local.depthwise_conv",
    "near.3.norm": "attn.local.pointwise_prenorm_1",
    "near.4": "attn.local.pointwise_conv_1",
    **pixelwise("attention.query_key_value", "attn.qkv"),
    **pixelwise("attention.project", "attn.proj"),
    "mlp.*": "mlp.fc<i//2+1>",
}
