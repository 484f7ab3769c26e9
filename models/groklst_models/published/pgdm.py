"""PGDM as published."""

from collections.abc import Sequence

from groklst_models.published.layout import First
from groklst_models.published.table import Fills, Published, Source, turned, within


def published(*, guide_channels: int, multipliers: Sequence[int], **_: object) -> Published:
    """Tell which tensor fills which; the decoder is counted from the deepest level there."""
    deepest = len(multipliers) - 2
    decoder: dict[str, str | Source] = {}
    for level in range(deepest + 1):
        decoder[f"ups.{level}.0"] = f"ups.{deepest - level}.0"
        decoder |= within(f"decoders.{level}", f"decoders.{deepest - level}", _BLOCK)
    return Published(
        "cas222huan/PGDM",
        {
            "step_network.*": "timestep_embedder.time_mlp.*",
            "lst_stem.*": "head_in_lst.conv<i//2+1>",
            "state_stem.*": "head_in_xt.conv<i//2+1>",
            "guide_stem.0.weight": turned("head_in_gui.conv1.weight", First(1, guide_channels)),
            "guide_stem.*": "head_in_gui.conv<i//2+1>",
            **within("surface_encoders.*", "encoders_geo.*", _BLOCK),
            **within("state_encoders.*", "encoders_xt.*", _BLOCK),
            "surface_downs.*": "downs_geo.*",
            "state_downs.*": "downs_xt.*",
            **within("bridge", "bridge", _BLOCK),
            **decoder,
            "head": "head_out",
        },
        idle=("lulc_embed_layer", "timestep_embedder.embedding"),
        differs=(
            "the published code scales LST and bands to a range, groklst to mean 0 and standard "
            "deviation 1; groklst does not use land cover"
        ),
    )


_BLOCK: Fills = {
    "first_norm": "norm1",
    "first": "conv1",
    "second_norm": "norm2",
    "second": "conv2",
    "modulate.*": "film.mlp.*",
    "skip": "residual",
    "attention.norm": "attn.norm",
    "attention.query_key_value": "attn.qkv",
    "attention.project": "attn.proj",
}
