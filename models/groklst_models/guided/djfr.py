"""DJFR: a learnt joint filter that answers with what the interpolated LST lacks.

Li, Huang, Ahuja, Yang, "Joint Image Filtering with Deep Convolutional Networks", IEEE TPAMI 2019,
https://arxiv.org/abs/1710.04200.

The successor of DJF: the same three networks, with more than one map between them, so that a branch
can tell kinds of structure apart. With a skip from the interpolated LST they need to learn detail
alone.

Ours differs from the published version in its padding: each convolution pads by what it needs.
There the branches shrink the map and grow it again, with rings of zeros inside.
"""

from typing import ClassVar

from torch import Tensor, nn

from groklst_models.blocks.joint_filter import JointFilter
from groklst_models.blocks.upsample import bicubic


class DJFR(nn.Module):
    """Downscale LST by adding what a learnt joint filter finds.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of each branch's first layer; its second has half as many.
        maps: channels that each branch hands to the fusion.
        fusion_width: channels of the fusion's first layer; its second has half as many.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 96,
        maps: int = 3,
        fusion_width: int = 64,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.filter = JointFilter(guide_channels, width=width, maps=maps, fusion_width=fusion_width)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        target = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        detail: Tensor = self.filter(target, guide)
        return target + detail
