"""Attention: gates in (0, 1) for each channel, or for each pixel."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

_EPSILON = 1e-8  # under the square root of a variance


class ChannelAttention(nn.Module):
    """Weight each channel by a gate in (0, 1) made from all channels' global means.

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
        hidden = self.activation(self.squeeze(self.summary(features)))
        return features * torch.sigmoid(self.excite(hidden))

    def summary(self, features: Tensor) -> Tensor:
        """Return (B, C, 1, 1), what the gates are made from: each channel's mean."""
        return features.mean(dim=(2, 3), keepdim=True)


class ContrastChannelAttention(ChannelAttention):
    """Weight each channel by a gate made from all channels' contrast: deviation plus mean.

    After IMDN (Hui et al., ACM MM 2019). Arguments as for `ChannelAttention`.
    """

    def summary(self, features: Tensor) -> Tensor:
        """Return (B, C, 1, 1), each channel's deviation plus its mean."""
        mean = features.mean(dim=(2, 3), keepdim=True)
        variance = (features - mean).square().mean(dim=(2, 3), keepdim=True)
        return (variance + _EPSILON).sqrt() + mean


class SpatialAttention(nn.Module):
    """Weight each pixel by a gate made from its neighbours' mean and maximum over channels.

    After CBAM (Woo et al., ECCV 2018).

    Args:
        kernel_size: rows and columns of the neighbourhood, odd.
        bias: whether the convolution has one.
    """

    def __init__(self, *, kernel_size: int = 7, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the gates (B, 1, H, W) of (B, C, H, W) features."""
        mean, most = features.mean(1, keepdim=True), features.amax(1, keepdim=True)
        return torch.sigmoid(self.conv(torch.cat([mean, most], dim=1)))


class EnhancedSpatialAttention(nn.Module):
    """Weight each value by a gate made at a sixth of the resolution, with a wide view (ESA).

    After RFANet (Liu et al., CVPR 2020). Maps smaller than 17 × 17 are pooled as far as they go.

    Args:
        channels: channels in and out.
        hidden: channels that the gate is made with.
        convolutions: how many 3×3 convolutions work at the low resolution; ReLU between them.
    """

    def __init__(self, channels: int, *, hidden: int = 16, convolutions: int = 3) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.stride = nn.Conv2d(hidden, hidden, 3, stride=2)
        steps: list[nn.Module] = []
        for _ in range(convolutions):
            steps += [nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU()]
        self.convolutions = nn.Sequential(*steps[:-1])
        self.shortcut = nn.Conv2d(hidden, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the (B, C, H, W) features, each value scaled by its gate."""
        return features * self.gate(features)

    def gate(self, features: Tensor) -> Tensor:
        """Return the gates alone, (B, C, H, W)."""
        reduced = self.reduce(features)
        down, right = (max(0, 3 - side) for side in reduced.shape[-2:])
        padded = functional.pad(reduced, (0, right, 0, down))  # the convolution needs 3 × 3
        seen = self.stride(padded)  # (B, hidden, H/2, W/2)
        pooled = functional.max_pool2d(seen, [min(7, side) for side in seen.shape[-2:]], stride=3)
        pooled = self.convolutions(pooled)  # (B, hidden, H/6, W/6)
        wide = functional.interpolate(
            pooled, size=features.shape[-2:], mode="bilinear", align_corners=False
        )
        return torch.sigmoid(self.expand(wide + self.shortcut(reduced)))
