"""DAGF as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.parts import BATCH_STATISTICS, BLOCK, activated
from groklst_models.published.table import Fills, Published, turned, within


def published(*, levels: int, **_: object) -> Published:
    """Tell which tensor fills which; the finest level alone makes an LST in ours."""
    last = f"p_layers.{levels - 1}"
    return Published(
        "GrokCV/GrokLST",
        {
            **within("lst_pyramid", "", _pyramid("depth")),
            **within("guide_pyramid", "", _pyramid("guide")),
            **within("filters.*", "up_sample.*", _FILTER),
            "stems.*.lst.*": "init_conv.*.layer1.*",
            "stems.*.join": "init_conv.*.layer2",
            "fusion.enter.*.*": "p_layers.*.layer1.*",
            "fusion.join.*.conv.*": "p_layers.<i+1>.layer3.*",
            "fusion.join.*.share": "p_layers.<i+1>.res_scale.scale",
            "head": f"{last}.layer2.0",
        },
        idle=(
            *("init_conv.*.layers.*", "tail_conv.*.**", "res_scale.scale", f"{last}.layer2.1"),
            *("p_layers.*.layer2.*", "p_layers.0.layer3.*", "p_layers.0.res_scale.scale"),
            "up_sample.*.weight_net.2.norm.bn",
            *BATCH_STATISTICS,
        ),
        differs="the published code normalizes batches, not each pixel's channels; its levels "
        "coarser than the LST see every second pixel, and an activation follows its last "
        "layer",
    )


def _pyramid(name: str) -> Fills:
    return {
        "head.2": f"head.{name}_head.1.act",
        "head.*": f"head.{name}_head.*.layers",
        **activated("halvings.*", f"{name}_pyramid.*.layers.0", "layers"),
        "halvings.*.3": f"{name}_pyramid.*.layers.2.layers",
        "halvings.*.4": f"{name}_pyramid.*.layers.2.act",
    }


_SCALAR = arranged("1 ->")

_CONVOLUTION: Fills = {
    "0": "layers",
    "1.plain_share": turned("norm.w_0", _SCALAR),
    "1.norm_share": turned("norm.w_1", _SCALAR),
    "1.norm.norm": "norm.bn",
    "1.norm.bias": "norm.bn.bias",
    "2": "act",
}

_KERNELS: Fills = {"0": "0.layers", "1": "0.act", "2": "1.layers"}

_FILTER: Fills = {
    **within("blocks.*", "inputs_conv.<i//2>", BLOCK),
    "blocks.*": "inputs_conv.<i//2>.act",
    **within("lst_kernels", "depth_kernel", _KERNELS),
    **within("guide_kernels", "guide_kernel", _KERNELS),
    **within("mixing.0", "weight_net.0", _CONVOLUTION),
    **within("mixing.1.enter", "weight_net.1.encoder_1", _CONVOLUTION),
    **within("mixing.1.down", "weight_net.1.encoder_2", _CONVOLUTION),
    **within("mixing.1.deep.*", "weight_net.1.feature_transform.*", _CONVOLUTION),
    **within("mixing.1.up", "weight_net.1.decoder_1", _CONVOLUTION),
    **within("mixing.1.leave", "weight_net.1.decoder_2", _CONVOLUTION),
    **within("mixing.2", "weight_net.2", _CONVOLUTION),
    "divisor": turned("aff_scale_const", _SCALAR),
}
