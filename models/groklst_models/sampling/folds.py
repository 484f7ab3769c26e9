"""Held-out folds of a scene: squares of coarse pixels, assigned by position.

Neighbouring pixels are correlated, so squares are left out and not single pixels; neighbouring
squares are always in different folds.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from groklst_models.contract import Block


@dataclass(frozen=True)
class Folds:
    """A pattern of folds that repeats over the scene.

    Attributes:
        side: Of a square, coarse pixels.
        pattern: The fold of each square, row by row; repeated in both directions.
    """

    side: int
    pattern: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """How many folds there are."""
        return 1 + max(map(max, self.pattern))

    def of(self, block: Block) -> Tensor:
        """Number the folds of a block's coarse pixels, ``(h, w)``, on its device."""
        pattern = torch.tensor(self.pattern)
        height, width = block.lst.shape
        rows = (torch.arange(height) + block.row) // self.side % pattern.shape[0]
        columns = (torch.arange(width) + block.column) // self.side % pattern.shape[1]
        return pattern[rows[:, None], columns].to(block.device)


FIVE: Final = Folds(4, tuple(tuple((2 * r + c) % 5 for c in range(5)) for r in range(5)))
"""Five folds of squares of four pixels, for what is estimated from sums."""

FOUR: Final = Folds(5, ((0, 1), (2, 3)))
"""Four folds of squares of five pixels, for models that are trained once for each fold."""
