"""Stochastic depth: additions that are left out at random in training."""

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Leave an addition out at random in training, for each sample by itself.

    Stochastic depth (Huang et al., ECCV 2016): what is kept grows, so that the mean stays.

    Args:
        rate: the probability of being left out, below 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.kept = 1 - rate

    def forward(self, residual: Tensor) -> Tensor:
        """Return the (B, C, H, W) residual, all of it or none for each sample."""
        if not self.training or self.kept == 1:
            return residual
        chances = residual.new_full((residual.shape[0], 1, 1, 1), self.kept)
        return residual * torch.bernoulli(chances) / self.kept
