"""Normalization that keeps the samples of a batch apart, and a tile's pixels too."""

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
