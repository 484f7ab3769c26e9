"""DBPN: go up to the fine grid and back down again and again, mending the error each time.

Haris, Shakhnarovich, Ukita, "Deep Back-Projection Networks for Super-Resolution", CVPR 2018,
https://arxiv.org/abs/1803.02735.

Each unit projects features to the other grid, projects them back, and corrects itself by what did
not come back the same. In this dense form (D-DBPN) a unit is given what all units before it made on
its grid, and the fine LST is read from every fine map.

Ours is the paper's network for one channel in and out. Weights start as in the paper, after He et
al., and biases at zero; from smaller weights the signal fades on its way through so many transposed
convolutions.
"""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.projection import DownProjection, UpProjection


class DBPN(nn.Module):
    """Downscale LST with densely connected back-projection units.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of a map.
        stem_width: channels of the first convolution.
        stages: how many times the network goes up; it comes down once less.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, width: int = 64, stem_width: int = 256, stages: int = 7
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, stem_width, 3, padding=1),
            nn.PReLU(),
            pointwise(stem_width, width),
        )
        up = partial(UpProjection, width, width, scale=scale, activation=single_slope)
        down = partial(DownProjection, width, width, scale=scale, activation=single_slope)
        self.first_up = up()
        self.downs = nn.ModuleList(fed_by(maps, width, down()) for maps in range(1, stages))
        self.ups = nn.ModuleList(fed_by(maps, width, up()) for maps in range(1, stages))
        self.head = nn.Conv2d(stages * width, 1, 3, padding=1)
        self.apply(he_normal)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        fine_maps = [self.first_up(self.stem(lst))]  # (B, F, sh, sw) each
        coarse_maps: list[Tensor] = []  # (B, F, h, w) each
        for down, up in zip(self.downs, self.ups, strict=True):
            coarse_maps.append(down(torch.cat(fine_maps, dim=1)))
            fine_maps.append(up(torch.cat(coarse_maps, dim=1)))
        fine: Tensor = self.head(torch.cat(fine_maps, dim=1))  # (B, 1, sh, sw)
        return fine


def fed_by(maps: int, width: int, unit: nn.Module) -> nn.Module:
    """Let the unit take several maps, (B, maps·F, ...), by a 1×1 convolution before it."""
    return unit if maps == 1 else nn.Sequential(pointwise(maps * width, width), unit)


def pointwise(inputs: int, outputs: int) -> nn.Sequential:
    """Make a 1×1 convolution and its activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.PReLU())


def single_slope(channels: int) -> nn.Module:
    """Make an activation that has one slope for all channels."""
    return nn.PReLU()


def he_normal(part: nn.Module) -> None:
    """Draw a convolution's weights as He et al. (ICCV 2015) do, and set its biases to zero."""
    if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(part.weight)
        nn.init.zeros_(part.bias)  # type: ignore[arg-type]
