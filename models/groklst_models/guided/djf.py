"""DJF: learn the filter that joint bilateral and guided filters write down by hand.

Li, Huang, Ahuja, Yang, "Deep Joint Image Filtering", ECCV 2016.

One small network looks at the guidance and one at the interpolated LST, each until a single map of
structure is left. A third network reads the two maps together and passes on the structure that both
agree on.

Ours differs from the published version in its padding: each convolution pads by what it needs.
There the 9×9 shrinks the map and the 1×1 grows it again, with rings of zeros inside the network.
"""

from typing import ClassVar

from torch import Tensor, nn

from groklst_models.blocks.joint_filter import JointFilter
from groklst_models.blocks.upsample import bicubic


class DJF(nn.Module):
    """Downscale LST by a learnt joint filter that answers with the LST itself.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of each branch's first layer; its second has half as many.
        fusion_width: channels of the fusion's first layer; its second has half as many.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, guide_channels: int, width: int = 96, fusion_width: int = 64
    ) -> None:
        super().__init__()
        self.scale = scale
        self.filter = JointFilter(guide_channels, width=width, maps=1, fusion_width=fusion_width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        filtered: Tensor = self.filter(bicubic(lst, self.scale), guide)  # (B, 1, sh, sw)
        return filtered
