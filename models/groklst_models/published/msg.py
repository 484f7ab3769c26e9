"""DMSG as published."""

from groklst_models.published.layout import Backwards, Spread, arranged
from groklst_models.published.parts import activated
from groklst_models.published.table import Published, turned


def published(*, scale: int, guide_channels: int, width: int, **_: object) -> Published:
    """Tell which tensor fills which; their second convolution of an octave is a transposed one."""
    octaves = scale.bit_length() - 1
    plain = (Backwards(2), Backwards(3), arranged("in out ... -> out in ..."))
    fuse = turned("branchMain.<i*3+1>.layers.0.weight", *plain, Backwards(1, size=width))
    return Published(
        "GrokCV/GrokLST",
        {
            "guide_stem.0.0.weight": turned("branchY.0.layers.weight", Spread(1, guide_channels)),
            **activated("guide_stem.*", "branchY.*", "layers"),
            **activated("guide_octaves.*.0", "branchY.<i*2+2>", "layers"),
            **activated("lst_stem", "feature_extra", "layers"),
            "lst_octaves.*.up.*": "branchMain.<i*3>.layers.*",
            "lst_octaves.*.fuse.0.0.weight": fuse,
            "lst_octaves.*.fuse.0.*": "branchMain.<i*3+1>.layers.*",
            **activated("lst_octaves.*.fuse.1", "branchMain.<i*3+2>", "layers"),
            **activated("head.0", f"branchMain.{3 * octaves}", "layers"),
            "head.1": f"branchMain.{3 * octaves + 1}.layers",
        },
        idle=("gaussian", f"branchMain.{3 * octaves + 1}.act"),
        differs="the published code divides the guidance by its range, pads the Gaussian with "
        "zeros at borders, and an activation follows its last layer",
    )
