"""Attention over channels: a gate for each, from what the whole map holds."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Weigh each channel by a gate in (0, 1) made from all channels' global means.

    After Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, as RCAN uses it (Zhang et al.,
    ECCV 2018). The mean is over the whole map, so a tile's gate depends on the tile.

    Args:
        channels: channels in and out.
        reduction: how many times narrower the hidden layer is; it keeps one channel at least.
        activation: makes the activation of the hidden layer.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.activation = activation()
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the (B, C, H, W) features, each channel scaled by its gate."""
        means = features.mean(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
        return features * torch.sigmoid(self.excite(self.activation(self.squeeze(means))))
