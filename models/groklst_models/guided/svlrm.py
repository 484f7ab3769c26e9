"""SVLRM: the fine LST is a linear function of the guidance, another at each pixel.

Pan, Dong, Ren, Lin, Tang, Yang, "Spatially Variant Linear Representation Models for Joint
Filtering", CVPR 2019.

The guided filter says that the result is linear in the guidance within each window. Here a plain
deep network reads slope and offset of each pixel from the interpolated LST and the guidance
together.

The paper's guidance has one band; ours has a slope for each of its bands. The benchmark's form,
`linear_in_lst=True`, is linear in the interpolated LST instead and has LeakyReLU for ReLU: 376,834
parameters with ten bands, where the paper's form has 382,027. It differs from the published
benchmark in its start: there the slopes begin as random numbers about zero, and the loss could run
away; here the network says by how much a slope departs from one, and its last layer begins at zero,
so training starts from the interpolated LST.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.upsample import bicubic

LEAK = 0.1  # slope of the benchmark's activation where it is negative


class SVLRM(nn.Module):
    """Downscale LST by slopes and an offset for each fine pixel.

    Args:
        scale: how many times finer the output is than the LST.
        guide_channels: bands of the guidance.
        width: channels of the hidden layers.
        depth: 3×3 convolutions, the one that makes slopes and offset included.
        linear_in_lst: whether one slope multiplies the interpolated LST, as in the benchmark, and
            not a slope for each band of the guidance, as in the paper.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self,
        *,
        scale: int,
        guide_channels: int,
        width: int = 64,
        depth: int = 12,
        linear_in_lst: bool = False,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.linear_in_lst = linear_in_lst
        leak = LEAK if linear_in_lst else 0.0  # without one it is ReLU
        layers: list[nn.Module] = []
        for channels in [1 + guide_channels] + [width] * (depth - 2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(leak)]
        self.trunk = nn.Sequential(*layers)
        slopes = 1 if linear_in_lst else guide_channels
        self.head = nn.Conv2d(width, slopes + 1, 3, padding=1)
        self._start(leak)

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w) and guidance (B, G, sh, sw)."""
        target = bicubic(lst, self.scale)  # (B, 1, sh, sw)
        made = self.head(self.trunk(torch.cat([target, guide], dim=1)))
        slopes, offset = made[:, :-1], made[:, -1:]  # (B, G or 1, sh, sw) and (B, 1, sh, sw)
        fine: Tensor
        if self.linear_in_lst:
            fine = (1 + slopes) * target + offset
        else:
            fine = (slopes * guide).sum(dim=1, keepdim=True) + offset
        return fine

    def _start(self, leak: float) -> None:
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=leak, mode="fan_out")
        if self.linear_in_lst:
            for parameter in self.head.parameters():
                nn.init.zeros_(parameter)
