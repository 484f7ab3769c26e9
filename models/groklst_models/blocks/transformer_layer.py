"""A transformer's layer: attention, then a feed-forward part, each added to what came in."""

from torch import Tensor, nn

from groklst_models.blocks.normalization import ChannelNorm
from groklst_models.blocks.stochastic_depth import DropPath


class TransformerLayer(nn.Module):
    """Add what attention, then what the feed-forward part makes of the normalized features.

    Args:
        width: channels in and out.
        attention: takes and returns features (B, C, H, W).
        mlp: the feed-forward part, which does too.
        rate: how often either addition is left out in training.
    """

    def __init__(self, width: int, attention: nn.Module, mlp: nn.Module, *, rate: float) -> None:
        super().__init__()
        self.attention_norm = ChannelNorm(width, epsilon=1e-5)
        self.attention = attention
        self.mlp_norm = ChannelNorm(width, epsilon=1e-5)
        self.mlp = mlp
        self.drop_path = DropPath(rate)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        features = features + self.drop_path(self.attention(self.attention_norm(features)))
        residual: Tensor = self.drop_path(self.mlp(self.mlp_norm(features)))
        return features + residual
