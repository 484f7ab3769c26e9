"""A transformer's feed-forward part with a convolution in it.

After Zhou et al., "SRFormer: Permuted Self-Attention for Single Image Super-Resolution", ICCV 2023.
"""

from torch import Tensor, nn
from torch.nn import functional


class ConvolvedMLP(nn.Module):
    """Pass each cell through two linear layers; between them it takes in its neighbours' detail.

    Args:
        channels: channels in and out.
        hidden: channels of the hidden layer.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) features for (B, C, H, W) features."""
        hidden = functional.gelu(self.widen(features.permute(0, 2, 3, 1)))  # (B, H, W, hidden)
        cells = hidden.permute(0, 3, 1, 2)
        cells = cells + functional.gelu(self.depthwise(cells))
        mixed: Tensor = self.narrow(cells.permute(0, 2, 3, 1))
        return mixed.permute(0, 3, 1, 2)
