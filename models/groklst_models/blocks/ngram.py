"""N-grams of windows: what a window's neighbours hold, told to it as a word is by those around it.

After Choi et al., "N-Gram in Swin Transformers for Efficient Lightweight Image Super-Resolution",
CVPR 2023.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.blocks.tokens import to_map
from groklst_models.blocks.window import WindowAttention


class NGramContext(nn.Module):
    """Say of each window what its neighbours hold, as grams of n × n windows tell it.

    Args:
        width: channels in and out, even.
        word: makes a word of half the channels of each window.
        attention: of as many channels, among the n × n words of a gram.
    """

    def __init__(self, width: int, *, word: nn.Module, attention: WindowAttention) -> None:
        super().__init__()
        self.word = word
        self.attention = attention
        self.merge = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return one token for each window, (B, C, H/window, W/window), of (B, C, H, W)."""
        words = self.word(features)  # (B, C/2, H/window, W/window)
        grams = [self.read(words, before=before) for before in (False, True)]
        context: Tensor = self.merge(torch.cat(grams, dim=1))
        return context

    def read(self, words: Tensor, *, before: bool) -> Tensor:
        """Let the words (B, C, H, W) of each gram attend, and return their means (B, C, H, W)."""
        size = self.attention.size
        for side in (2, 3):
            words = extend(words, size - 1, side, before=before)
        batch, channels, height, width = words.shape
        grams = functional.unfold(words, size)  # (B, C·n², H·W)
        cut = grams.reshape(batch, channels, size**2, -1)
        windows = cut.permute(0, 3, 2, 1)  # (B, H·W, n², C)
        height, width = height - size + 1, width - size + 1
        return to_map(self.attention(windows).mean(dim=2), height, width)


def extend(words: Tensor, more: int, side: int, *, before: bool) -> Tensor:
    """Repeat rows or columns next to an edge beyond it, in their order, as far as there are.

    Args:
        words: (B, C, H, W).
        more: how many to add.
        side: 2 for rows, 3 for columns.
        before: whether to add them before the first, and not after the last.

    Returns:
        Words with so many more rows or columns.
    """
    length = words.shape[side]
    first = 1 if before else length - 1 - more
    places = torch.arange(first, first + more, device=words.device).clamp(0, length - 1)
    added = words.index_select(side, places)
    return torch.cat([added, words] if before else [words, added], dim=side)
