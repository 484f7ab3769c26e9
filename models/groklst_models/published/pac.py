"""PAC-Net as published."""

from groklst_models.published.layout import Backwards, arranged
from groklst_models.published.table import Published, turned


def published(*, kernel_size: int, **_: object) -> Published:
    """Tell which tensor fills which; what their kernels gather, ours send."""
    send = arranged(
        "in out row column -> (out row column) in 1 1", row=kernel_size, column=kernel_size
    )
    return Published(
        "GrokCV/GrokLST",
        {
            "lst_branch.*": "branch_t.conv<i//2+1>",
            "guide_branch.*": "branch_g.conv<i//2+1>",
            "doublings.*.send.weight": turned(
                "up_convts.*.weight", Backwards(2), Backwards(3), send
            ),
            "doublings.*.bias": turned("up_convts.*.bias", arranged("out -> out 1 1")),
            "reconstruction.*": "branch_f.conv<i//2+1>",
        },
    )
