"""OmniSR as published."""

from groklst_models.published.layout import arranged
from groklst_models.published.parts import ENHANCED_SPATIAL_ATTENTION, LINEAR
from groklst_models.published.table import ZERO, Fills, Published, turned, within


def published(*, window: int, blocks: int, **_: object) -> Published:
    """Tell which tensor fills which."""
    table = arranged("(row column) head -> head row column", row=2 * window - 1)
    cells: Fills = {
        "norm.norm": "norm",
        "attention.query_key_value": "fn.to_qkv",
        "attention.position_bias.table": turned("fn.rel_pos_bias.weight", table),
        "attention.project": "fn.to_out.0",
    }
    ours, there = "groups.*.blocks.*", "residual_layer.*.residual_layer.*.layer"
    return Published(
        "Francis0625/Omni-SR",
        {
            "stem": "input",
            **within(f"{ours}.0", f"{there}.0", _NEAR),
            **within(f"{ours}.1", f"{there}.2", cells),
            **within(f"{ours}.2", f"{there}.4", _FEED_FORWARD),
            **within(f"{ours}.3", f"{there}.5", _CHANNELS),
            **within(f"{ours}.4", f"{there}.6", _FEED_FORWARD),
            **within(f"{ours}.5", f"{there}.8", cells),
            **within(f"{ours}.6", f"{there}.10", _FEED_FORWARD),
            **within(f"{ours}.7", f"{there}.11", _CHANNELS),
            **within(f"{ours}.8", f"{there}.12", _FEED_FORWARD),
            "groups.*.mix": f"residual_layer.*.residual_layer.{blocks}",
            **within("groups.*.attention", "residual_layer.*.esa", ENHANCED_SPATIAL_ATTENTION),
            "groups.*.attention.convolutions.0": "residual_layer.*.esa.conv3",
            "conv": "output",
            "head.0": "up.0",
        },
        idle=("**.rel_pos_indices",),
        note="the published code pads maps with zeros if their sides are not multiples of eight",
    )


_NEAR: Fills = {
    "steps.4.squeeze.weight": turned("fn.4.gate.1.weight", LINEAR),
    "steps.4.squeeze.bias": ZERO,
    "steps.4.excite.weight": turned("fn.4.gate.3.weight", LINEAR),
    "steps.4.excite.bias": ZERO,
    "steps.*": "fn.*",
}

_CHANNELS: Fills = {
    "norm.norm": "norm",
    "temperature": "fn.temperature",
    "query_key_value.0": "fn.qkv",
    "query_key_value.1": "fn.qkv_dwconv",
    "project": "fn.project_out",
}

_FEED_FORWARD: Fills = {
    "norm.norm": "norm",
    "views.0": "fn.project_in",
    "views.1": "fn.dwconv",
    "project": "fn.project_out",
}
