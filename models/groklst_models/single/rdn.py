"""RDN: every convolution of a block sees all that came before it in the block.

Zhang, Tian, Kong, Zhong, Fu, "Residual Dense Network for Image Super-Resolution", CVPR 2018,
https://arxiv.org/abs/1802.08797.

Inside a dense block each layer adds channels to what it was given, and a 1×1 convolution fuses them
all to the block's residual. What the blocks made is fused the same way, so nothing between the stem
and the fine grid is lost.

The fine grid is reached by doublings at ×2 and ×4, as in the paper. At ×8, which the paper does not
have, it is reached in one step as in the benchmark: 2,359,296 weights in place of 442,368.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.upsample import PixelShuffleUpsampler


class RDN(nn.Module):
    """Downscale LST with residual dense blocks.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features between blocks.
        blocks: how many residual dense blocks.
        layers: convolutions in a block.
        growth: channels that each of them adds.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = False

    def __init__(
        self, *, scale: int, width: int = 64, blocks: int = 16, layers: int = 8, growth: int = 64
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.enter = nn.Conv2d(width, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            ResidualDenseBlock(width, layers, growth) for _ in range(blocks)
        )
        self.fuse = nn.Sequential(
            nn.Conv2d(blocks * width, width, 1),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.upsample = upsampler(width, scale)
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = self.stem(lst)  # (B, F, h, w)
        features = self.enter(shallow)
        made = []
        for block in self.blocks:
            features = block(features)
            made.append(features)
        deep = shallow + self.fuse(torch.cat(made, dim=1))
        fine: Tensor = self.head(self.upsample(deep))  # (B, 1, sh, sw)
        return fine


class ResidualDenseBlock(nn.Module):
    """Grow the channels layer by layer, fuse them all, and add the input (RDB).

    Args:
        channels: channels in and out.
        layers: how many 3×3 convolutions.
        growth: channels that each of them adds.
    """

    def __init__(self, channels: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels + i * growth, growth, 3, padding=1), nn.ReLU())
            for i in range(layers)
        )
        self.fuse = nn.Conv2d(channels + layers * growth, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        grown = features
        for layer in self.layers:
            grown = torch.cat([grown, layer(grown)], dim=1)  # (B, C + growth more, H, W)
        fused: Tensor = self.fuse(grown)
        return features + fused


def upsampler(channels: int, scale: int) -> nn.Sequential:
    """Make the way to the fine grid: doublings up to ×4, one step beyond."""
    if scale <= 4:
        return PixelShuffleUpsampler(channels, scale=scale)
    return nn.Sequential(
        nn.Conv2d(channels, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale)
    )
