"""HAN: RCAN's groups, and attention over the groups themselves.

Niu, Wen, Ren, Zhang, Yang, Wang, Zhang, Cao, Shen, "Single Image Super-Resolution via a Holistic
Attention Network", ECCV 2020, https://arxiv.org/abs/2008.08767.

What every group made is kept, each is mended by those that resemble it, and all are merged. Beside
that the last is gated value by value, by a convolution through channels, rows and columns at once.

The width is the benchmark's, twice the paper's. As in the paper, layers that resemble a layer most
weigh most (the published code turns this round), and three features are added at the end; the code
convolves two of them to one first, which took 295,040 parameters more, less than 0.5 %.
Resemblance is a mean over the values, not a sum, so it keeps its size on larger tiles.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from groklst_models.blocks.residual import ResidualGroup
from groklst_models.blocks.upsample import PixelShuffleUpsampler


class HAN(nn.Module):
    """Downscale LST with attention over channels, over positions and over layers.

    Args:
        scale: how many times finer the output is than the LST.
        width: channels of the features.
        groups: how many residual groups.
        blocks: channel attention blocks in a group.
        reduction: how many times narrower the hidden layer of the channel attention is.
    """

    multiple_of: ClassVar[int] = 1
    sees_whole_tile: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: int,
        width: int = 128,
        groups: int = 10,
        blocks: int = 20,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.trunk = nn.ModuleList(
            ResidualGroup(width, blocks, reduction=reduction) for _ in range(groups)
        )
        self.trunk.append(nn.Conv2d(width, width, 3, padding=1))
        self.layer_attention = LayerAttention()
        self.merge = nn.Conv2d((groups + 1) * width, width, 3, padding=1)
        self.position_attention = ChannelSpatialAttention()
        self.upsample = PixelShuffleUpsampler(width, scale=scale)
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: Tensor) -> Tensor:
        """Return fine LST (B, 1, sh, sw) for LST (B, 1, h, w)."""
        shallow = deep = self.stem(lst)  # (B, F, h, w)
        layers = []
        for part in self.trunk:
            deep = part(deep)
            layers.append(deep)
        attended = self.layer_attention(torch.stack(layers, dim=1))  # (B, N, F, h, w)
        holistic = self.merge(attended.flatten(1, 2)) + self.position_attention(deep)
        fine: Tensor = self.head(self.upsample(shallow + holistic))  # (B, 1, sh, sw)
        return fine


class LayerAttention(nn.Module):
    """Add to each layer's features those of the layers that resemble it (LAM).

    The sum is weighted by a learned number that starts at zero: layers first pass unchanged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, layers: Tensor) -> Tensor:
        """Return layers (B, N, C, H, W) for layers (B, N, C, H, W)."""
        flat = layers.flatten(2)  # (B, N, C·H·W)
        scaled = flat * flat.shape[2] ** -0.5  # on both sides of the product: half precision holds
        resemblance = scaled @ scaled.transpose(1, 2)  # (B, N, N)
        mixed = resemblance.softmax(dim=2) @ flat
        attended: Tensor = layers + self.weight * mixed.reshape(layers.shape)
        return attended


class ChannelSpatialAttention(nn.Module):
    """Gate each value by its neighbours in channel, row and column (CSAM).

    The gated features are added to the input, weighted by one learned number that starts at zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 1, 3, padding=1)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        gates = torch.sigmoid(self.conv(features.unsqueeze(1))).squeeze(1)  # (B, C, H, W)
        return features + self.weight * gates * features
