"""Position network: what attention adds to a score, learnt as a function of where two cells lie."""

from torch import Tensor, nn


class PositionNetwork(nn.Module):
    """Make each head's addition to the scores of two cells that lie so far apart.

    The dynamic position bias of CrossFormer (Wang et al., ICLR 2022): it knows offsets that no
    window had in training. With a width of one it knows none, for the normalization of a single
    channel leaves nothing of it.

    Args:
        width: channels inside.
        heads: attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width),
            *(_step(width, channels) for channels in (width, width, heads)),
        )

    def forward(self, offsets: Tensor) -> Tensor:
        """Return the biases (heads, N) for N offsets (N, 2) in rows and columns."""
        biases: Tensor = self.layers(offsets)
        return biases.transpose(0, 1)


def _step(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, channels))
