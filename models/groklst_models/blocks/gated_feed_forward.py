"""A transformer's feed-forward part with neighbours in it, one half of which gates the other."""

from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.normalization import ChannelNorm


class GatedFeedForward(nn.Module):
    """Add two views of each pixel and its neighbours, one of which gates the other.

    After Restormer (Zamir et al., CVPR 2022).

    Args:
        width: channels in and out.
        expansion: how many times wider each view is.
        epsilon: of the normalization before.
    """

    def __init__(self, width: int, *, expansion: int = 1, epsilon: float = 1e-6) -> None:
        super().__init__()
        views = 2 * expansion * width
        self.norm = ChannelNorm(width, epsilon=epsilon)
        self.views = nn.Sequential(
            nn.Conv2d(width, views, 1, bias=False),
            nn.Conv2d(views, views, 3, padding=1, groups=views, bias=False),
        )
        self.project = nn.Conv2d(views // 2, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        gate, view = self.views(self.norm(features)).chunk(2, dim=1)
        residual: Tensor = self.project(functional.gelu(gate) * view)
        return features + residual
