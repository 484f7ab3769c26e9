"""Residual channel attention blocks and groups of them, after RCAN (Zhang et al., ECCV 2018)."""

from collections.abc import Callable

from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention


class ResidualChannelAttentionBlock(nn.Module):
    """Add two 3×3 convolutions, gated by channel attention, to the input (RCAB).

    Args:
        channels: channels in and out.
        reduction: of the channel attention.
        activation: makes the activation between the convolutions.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            activation(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.attention = ChannelAttention(channels, reduction=reduction)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        residual: Tensor = self.attention(self.convolutions(features))
        return features + residual


class ResidualGroup(nn.Module):
    """Chain channel attention blocks and a 3×3 convolution, with a skip over all of it (RG).

    Args:
        channels: channels in and out.
        blocks: how many blocks.
        reduction: of the blocks' channel attention.
        activation: makes the activation inside each block.
    """

    def __init__(
        self,
        channels: int,
        blocks: int,
        *,
        reduction: int = 16,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                ResidualChannelAttentionBlock(channels, reduction=reduction, activation=activation)
                for _ in range(blocks)
            )
        )
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        residual: Tensor = self.conv(self.blocks(features))
        return features + residual
