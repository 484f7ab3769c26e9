"""Tokens: the pixels of a map as a sequence, and the network that each passes through."""

from torch import Tensor, nn


def to_tokens(features: Tensor) -> Tensor:
    """Turn (B, C, H, W) features into tokens (B, H·W, C), row by row."""
    return features.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Turn tokens (B, height·width, C) back into features (B, C, height, width)."""
    batch, _, channels = tokens.shape
    return tokens.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def start_small(part: nn.Module) -> None:
    """Draw a linear layer's weights with deviation 0.02, as transformers do; biases are zero."""
    if isinstance(part, nn.Linear):
        nn.init.trunc_normal_(part.weight, std=0.02)
        nn.init.zeros_(part.bias)


class TokenMLP(nn.Sequential):
    """Pass each token through two linear layers with GELU between them.

    The feed-forward part of a transformer (Vaswani et al., NeurIPS 2017).

    Args:
        channels: channels in and out.
        hidden: channels of the hidden layer.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
