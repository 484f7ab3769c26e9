"""SVLRM as published, by its authors and in the benchmark's form."""

from groklst_models.published.layout import Plus
from groklst_models.published.table import Published, turned


def published(*, linear_in_lst: bool, **_: object) -> Published:
    """Tell which tensor fills which; the benchmark's slope departs from zero, ours from one."""
    if linear_in_lst:
        return Published(
            "GrokCV/GrokLST",
            {
                "trunk.0": "first_layer",
                "trunk.*": "feature_block.<i-2>",
                "head.weight": "final_layer.weight",
                "head.bias": turned("final_layer.bias", Plus((-1.0, 0.0))),
            },
        )
    return Published(
        "curlyqian/SVLRM",
        {"trunk.0": "input", "trunk.*": "medium_layer.<i//2-1>.conv", "head": "output"},
    )
