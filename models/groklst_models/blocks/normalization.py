"""Normalization that keeps the samples of a batch apart, and a tile's pixels too."""

import torch
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Normalize the channels of each pixel by their own mean and deviation.

    Layer normalization (Ba et al., arXiv 1607.06450) of (B, C, H, W) features over C. It stands
    where papers have batch normalization too: that mixes the samples of a batch and learns another
    network than it runs, this does neither, and both have a weight and a bias for each channel.

    Args:
        channels: channels in and out.
        epsilon: is added to the variance.
    """

    def __init__(self, channels: int, *, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=epsilon)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        normalized: Tensor = self.norm(features.permute(0, 2, 3, 1))
        return normalized.permute(0, 3, 1, 2)


class AdaptiveNorm(nn.Module):
    """Mix the features with their normalization, as training finds best; at first they are as is.

    After Chen et al., "Fast Image Processing with Fully-Convolutional Networks", ICCV 2017.

    Args:
        channels: channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels) if channels > 1 else Offset()
        self.plain_share = nn.Parameter(torch.tensor(1.0))
        self.norm_share = nn.Parameter(torch.tensor(0.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        mixed: Tensor = self.plain_share * features + self.norm_share * self.norm(features)
        return mixed


class Offset(nn.Module):
    """Give what the normalization of each pixel leaves of a single channel: its bias everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, 1, H, W) for (B, 1, H, W)."""
        return torch.zeros_like(features) + self.bias
