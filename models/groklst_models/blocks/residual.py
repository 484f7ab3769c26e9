"""Residual blocks: plain ones, ones with channel attention, and groups of those."""

from collections.abc import Callable

from torch import Tensor, nn

from groklst_models.blocks.attention import ChannelAttention


class ResidualBlock(nn.Module):
    """Add two convolutions with an activation between them to the input.

    Without normalization, as EDSR has it (Lim et al., CVPRW 2017).

    Args:
        channels: channels in and out.
        kernel_size: of both convolutions, odd.
        activation: makes the activation between the convolutions.
        weight: what the convolutions' result is multiplied by before it is added.
        bias: whether the convolutions have one.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel_size: int = 3,
        activation: Callable[[], nn.Module] = nn.ReLU,
        weight: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, bias=bias),
            activation(),
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, bias=bias),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        residual: Tensor = self.convolutions(features)
        return features + self.weight * residual


class ResidualChannelAttentionBlock(nn.Module):
    """Add two 3×3 convolutions, gated by channel attention, to the input (RCAB).

    After RCAN (Zhang et al., ECCV 2018).

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

    After RCAN (Zhang et al., ECCV 2018).

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
