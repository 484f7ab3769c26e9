"""SAN as published."""

from groklst_models.published.parts import CHANNEL_ATTENTION
from groklst_models.published.table import Published, within


def published(*, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "daitao/SAN",
        {
            "share": "gamma",
            "head": "head.0",
            "non_local.query": "non_local.non_local.theta",
            "non_local.key": "non_local.non_local.phi.0",
            "non_local.value": "non_local.non_local.g.0",
            "non_local.expand": "non_local.non_local.W",
            "groups.*.body.*.convolutions.*": "RG.*.rcab.*.conv_first.*",
            **within(f"groups.*.body.{blocks}", "RG.*.soca", CHANNEL_ATTENTION),
            f"groups.*.body.{blocks + 1}": "RG.*.conv_last",
            "tail.0.*": "tail.0.*",
            "tail.1": "tail.1",
        },
        idle=("RG.*.gamma", "conv_last", "non_local.soca.conv_du.*"),
    )
