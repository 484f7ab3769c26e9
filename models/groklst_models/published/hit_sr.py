"""HiT-SIR, HiT-SNG and HiT-SRF as published."""

from groklst_models.published.parts import (
    POSITION_NETWORK,
    SHIFTED_WINDOW_BUFFERS,
    swin_frame,
    window_attention,
)
from groklst_models.published.table import Fills, Published, within


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    context = "correlation.ngram_window_partition.ngram_context"
    layer: Fills = {
        "correlation_norm.norm": "norm1",
        "correlation.features.near.*": "correlation.qv.conv.*",
        "correlation.features.gate": "correlation.qv.linear",
        "correlation.summary": "correlation.spatial_linear",
        **within("correlation.position", "correlation.pos", POSITION_NETWORK),
        "correlation.context.word.conv": f"{context}.unigram_embed",
        **window_attention("correlation.context.attention", f"{context}.ngram_attn", 2),
        "correlation.context.merge": f"{context}.merge",
        "correlation.project": "correlation.proj",
        "mlp_norm.norm": "norm2",
        "mlp.tokens.*": "mlp.fc<i//2+1>",
        "mlp.widen": "mlp.fc1",
        "mlp.depthwise": "mlp.dwconv.depthwise_conv.0",
        "mlp.narrow": "mlp.fc2",
    }
    return Published(
        "XiangZ-0/HiT-SR",
        {
            **swin_frame(light=True),
            "stem_norm.norm": "patch_embed.norm",
            **within("groups.*.layers.*", "layers.*.residual_group.blocks.*", layer),
            "groups.*.conv": "layers.*.conv",
        },
        idle=SHIFTED_WINDOW_BUFFERS,
    )
