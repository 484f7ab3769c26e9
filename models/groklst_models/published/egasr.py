"""EGASR as published."""

from groklst_models.published.layout import Joined
from groklst_models.published.table import Published, made_of


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    core = "REGs.*.body.*.body.3"
    return Published(
        "zhonghangqiu/EGASR",
        {
            "recall": "gamma",
            "head": "head.0",
            "frame": "conv",
            "groups.*.*.convolutions.*": "REGs.*.body.*.body.*",
            "groups.*.*.textures.convolutions.0": f"{core}.recon_trunk.conv1",
            "groups.*.*.textures.convolutions.1": f"{core}.recon_trunk.act",
            "groups.*.*.textures.convolutions.2": f"{core}.recon_trunk.conv2",
            "groups.*.*.edges.templates.*.strength": f"{core}.edgeconvs.*.0.scale",
            "groups.*.*.edges.templates.*.bias": f"{core}.edgeconvs.*.0.bias",
            "groups.*.*.edges.templates.*.mix.weight": f"{core}.edgeconvs.*.0.k0",
            "groups.*.*.edges.mix": f"{core}.conv_reduce",
            "groups.*.*.edges.gate.conv": f"{core}.sa.conv1",
            "groups.*.*.selection.squeeze": f"{core}.fc",
            "groups.*.*.selection.excite": made_of(Joined(), f"{core}.fcs.0", f"{core}.fcs.1"),
            "groups.*.*": "REGs.*.body.*",
            "upsampler.*": "tail.0.*",
            "last": "tail.1",
        },
        idle=(f"{core}.conv3x3", f"{core}.edgeconvs.*.0.b0", f"{core}.edgeconvs.*.0.mask"),
    )
