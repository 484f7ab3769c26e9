"""SVLRM: the fine LST is a linear function of the interpolated one, another at each pixel.

Pan, Dong, Ren, Lin, Tang, Yang, "Spatially Variant Linear Representation Models for Joint
Filtering", CVPR 2019.

The guided filter says that the result is linear in the guidance within each window. Here it is
linear in the LST, and a plain deep network reads slope and offset of each pixel from LST and
guidance together.

Ours differs from the published version in its start. There the slopes begin as random numbers about
zero, and the loss could run away; here the network says by how much a slope departs from one, and
its last layer begins at zero, so training starts from the interpolated LST.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.upsample import bicubic

SLOPE = 0.1  # of the activation where it is negative


class SVLRM(nn.Module):
    """Downscale LST by a slope and an offset for each fine pixel.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the hidden layers.
        depth: 3×3 convolutions, the one that makes slope and offset included.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, guide_channels: int, width: int = 64, depth: int = 12
    ) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = []
        for channels in [1 + guide_channels] + [width] * (depth - 2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, 2, 3, padding=1)
        self._start_as_identity()

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        target = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        both = torch.cat([target, guide], dim=1)  # (B, 1+G, sh, sw)
        slope, offset = self.head(self.trunk(both)).chunk(2, dim=1)  # (B, 1, sh, sw) each
        fine: Tensor = (1 + slope) * target + offset
        return fine

    def _start_as_identity(self) -> None:
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=SLOPE, mode="fan_out")
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)
