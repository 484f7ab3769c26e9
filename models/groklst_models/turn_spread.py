"""Flips and quarter turns: how far a network contradicts itself about one place.

A network that knew the answer would give the same one for a tile and its mirror image. The spread
of its eight answers, times a factor that was measured on validation patches and is kept with the
weights, is its standard deviation (G. Wang et al., "Aleatoric uncertainty estimation with test-time
augmentation", Neurocomputing 338, 2019).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from groklst_models.contract import Method, Tiles

SCORE: Final = "turn_spread_factor"
"""Name of the factor among a checkpoint's scores."""

_LEAST: Final = 0.01
"""Kelvin; eight equal answers are no proof."""


class TurnSpread:
    """A method that predicts, instead of the LST, the spread of another's eight answers."""

    def __init__(self, method: Method, factor: float) -> None:
        """Wrap a method.

        Args:
            method: Ready to predict; takes tiles of any shape.
            factor: Standard deviation of the error for one of the answers' spread.
        """
        self._method, self._factor = method, factor
        self.scale, self.halo = method.scale, method.halo
        self.uses_guide, self.concurrent = method.uses_guide, method.concurrent
        self.device = method.device

    def predict(self, tiles: Tiles) -> Tensor:
        """Return the standard deviation ``(B, 1, s·h, s·w)``, kelvin."""
        answers = torch.stack(list(turned_answers(self._method, tiles)))
        return (answers.std(dim=0) * self._factor).clamp(min=_LEAST)


def turned_answers(method: Method, tiles: Tiles) -> Iterator[Tensor]:
    """Predict the eight flips and turns of some tiles, each turned back; kelvin."""
    for flip in (False, True):
        for quarter in range(4):
            guide = None if tiles.guide is None else _turn(tiles.guide, flip, quarter)
            turned = replace(tiles, lst=_turn(tiles.lst, flip, quarter), guide=guide)
            yield _turn_back(method.predict(turned), flip, quarter)


def _turn(values: Tensor, flip: bool, quarter: int) -> Tensor:
    flipped = values.flip(-1) if flip else values
    return torch.rot90(flipped, quarter, (-2, -1)).contiguous()


def _turn_back(values: Tensor, flip: bool, quarter: int) -> Tensor:
    turned = torch.rot90(values, -quarter, (-2, -1))
    return turned.flip(-1) if flip else turned
