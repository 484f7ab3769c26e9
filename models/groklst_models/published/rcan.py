"""RCAN as published."""

from groklst_models.published.parts import residual_group
from groklst_models.published.table import Published


def published(*, groups: int, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    return Published(
        "yulunzhang/RCAN",
        {
            "stem": "head.0",
            **residual_group("groups.*", "body.*", blocks),
            "gather": f"body.{groups}",
            "reconstruction.0.*": "tail.0.*",
            "reconstruction.1": "tail.1",
        },
    )
