"""DLGSANet as published."""

from groklst_models.published.table import Fills, Published, Source, within


def published(*, groups: int, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which; local and global layers take turns."""
    fills: dict[str, str | Source] = {}
    for place in range(blocks):
        near, far = 2 * place, 2 * place + 1
        fills |= within(f"body.*.layers.{near}", f"{_GROUP}.body.{near}", _LOCAL)
        fills |= within(f"body.*.layers.{far}", f"{_GROUP}.body.{far}", _GLOBAL)
    return Published(
        "NeonLeexiang/DLGSANet",
        {
            "stem": "overlap_embed.0.proj",
            **fills,
            "body.*.conv": f"{_GROUP}.body.{2 * blocks}",
            f"body.{groups}": f"deep_feature_extraction.{groups}",
            "head.0": "upsample.0",
        },
    )


_GROUP = "deep_feature_extraction.*"


def _feed_forward(norm: str, published: str) -> Fills:
    return {
        "feed_forward.norm.norm": f"{norm}.body",
        "feed_forward.views.0": f"{published}.project_in",
        "feed_forward.views.1": f"{published}.dwconv",
        "feed_forward.project": f"{published}.project_out",
    }


_LOCAL: Fills = {
    "norm.norm": "norm1.body",
    "values": "IDynamicDWConv.conv0",
    "kernels.0": "IDynamicDWConv.conv.conv1.0",
    "kernels.1": "IDynamicDWConv.conv.conv1.1",
    "kernels.2": "IDynamicDWConv.conv.conv2.0",
    "project": "IDynamicDWConv.conv1",
    **_feed_forward("norm2", "IDynamic_ffn"),
}

_GLOBAL: Fills = {
    "norm.norm": "norm3.body",
    "temperature": "restormer_attn.temperature",
    "query_key_value.0": "restormer_attn.qkv",
    "query_key_value.1": "restormer_attn.qkv_dwconv",
    "project": "restormer_attn.project_out",
    **_feed_forward("norm4", "restormer_ffn"),
}
