"""EDSR: a chain of residual blocks without normalization, and sub-pixel convolution at its end.

Lim, Son, Kim, Nah, Lee, "Enhanced Deep Residual Networks for Single Image Super-Resolution",
CVPRW 2017, https://arxiv.org/abs/1707.02921.

Normalization takes from features the range that an image lives on; without it residual blocks learn
more and need less memory. All of them work on the coarse grid, under one long skip.

The defaults are the paper's baseline, which the benchmark used. The paper's large network is
`width=256, blocks=32, residual_weight=0.1`.
"""

from typing import ClassVar

from torch import Tensor, nn

from groklst_models.blocks.residual import ResidualBlock
from groklst_models.blocks.upsample import PixelShuffleUpsampler


class EDSR(nn.Module):
    """Downscale LST with plain residual blocks.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features.
        blocks: how many residual blocks.
        residual_weight: what a block's result is multiplied by; less than 1 steadies wide networks.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, width: int = 64, blocks: int = 16, residual_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.body = nn.Sequential(
            *(ResidualBlock(width, weight=residual_weight) for _ in range(blocks)),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.upsample = PixelShuffleUpsampler(width, scale=scale)
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        deep = shallow + self.body(shallow)
        fine: Tensor = self.head(self.upsample(deep))  # (B, 1, sh, sw)
        return fine
