"""RDN as published."""

from groklst_models.published.table import Published


def published(*, scale: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    last = 4 if scale == 4 else 2  # after a convolution and a pixel shuffle, or two of each
    return Published(
        "sanghyun-son/EDSR-PyTorch",
        {
            "stem": "SFENet1",
            "enter": "SFENet2",
            "blocks.*.layers.*.0": "RDBs.*.convs.*.conv.0",
            "blocks.*.fuse": "RDBs.*.LFF",
            "fuse.*": "GFF.*",
            "upsample.*": "UPNet.*",
            "head": f"UPNet.{last}",
        },
    )
