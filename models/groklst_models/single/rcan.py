"""RCAN: four hundred convolutions made trainable by skips within skips.

Zhang, Li, Li, Wang, Zhong, Fu, "Image Super-Resolution Using Very Deep Residual Channel Attention
Networks", ECCV 2018, https://arxiv.org/abs/1807.02758.

Blocks with a skip are chained to groups with a skip, and the groups to a trunk with a skip, so the
smooth part of the LST passes by and the blocks work on the detail. In each block a gate for every
channel, made from all channels' means over the map, says which channels carry that detail.

Ours is the paper's network for one channel in and out.
"""

from typing import ClassVar

from torch import Tensor, nn

from groklst_models.blocks.residual import ResidualGroup
from groklst_models.blocks.upsample import PixelShuffleUpsampler


class RCAN(nn.Module):
    """Downscale LST with groups of channel attention blocks.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features.
        groups: how many residual groups.
        blocks: attention blocks in a group.
        reduction: how many times narrower the hidden layer of the attention is.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 64,
        groups: int = 10,
        blocks: int = 20,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        chain = [ResidualGroup(width, blocks, reduction=reduction) for _ in range(groups)]
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.groups = nn.Sequential(*chain)
        self.gather = nn.Conv2d(width, width, 3, padding=1)
        self.reconstruction = nn.Sequential(
            PixelShuffleUpsampler(width, scale=scale),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        detail = self.gather(self.groups(shallow))  # (B, F, h, w)
        fine: Tensor = self.reconstruction(shallow + detail)  # (B, 1, sh, sw)
        return fine
