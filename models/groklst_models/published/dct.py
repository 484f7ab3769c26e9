"""DCTNet as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.parts import ENHANCED_SPATIAL_ATTENTION, THREE_CONVOLUTIONS
from groklst_models.published.table import Fills, Published, turned, within


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    attention = {**ENHANCED_SPATIAL_ATTENTION, **THREE_CONVOLUTIONS}
    return Published(
        "GrokCV/GrokLST",
        {
            "transfer.log_trust": turned("lambd", arranged("1 channel 1 1 -> channel 1 1")),
            **within("edges", "WPNet", attention),
            "lst_stem.0": "Encoder_coupled.init_deep.0",
            "guide_stem.0": "Encoder_coupled.init_rgb.0",
            **within("layers.*", "Encoder_coupled.coupled_feat_extractor.*", _coupled()),
            "decoder.*": "Decoder_depth.Decoder_Deep.*",
        },
        idle=("WPNet.conv_dilation",),
        differs="the published code divides by the eigenvalues of another Laplacian than the one "
        "that the guidance passes, and a ReLU follows its last layer",
    )


def _coupled() -> Fills:
    """Tell of two convolutions, each with kernels for both, for the LST and for the guidance."""
    return {
        f"{place}.{ours}.{leaf}": f"{kind}_{theirs}_{number}"
        for number, place in enumerate(("first", "second"), start=1)
        for ours, theirs in (("both", "shared"), ("lst", "depth"), ("guide", "rgb"))
        for leaf, kind in (("weight", "kernel"), ("bias", "bias"))
    }
