"""EDSR as published."""

from groklst_models.published.table import Published


def published(**_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "sanghyun-son/EDSR-PyTorch",
        {
            "stem": "head.0",
            "body.*.convolutions.*": "body.*.body.*",
            "body.*": "body.*",
            "upsample.*": "tail.0.*",
            "head": "tail.1",
        },
    )
