"""The uncertainty of a network from the spread of several answers.

A perfect network would give the same answer for a tile and its mirror image, and a network with
random answers the same for any noise. The standard deviation of a result is the spread of such
answers, times a factor that was measured on validation patches and is stored with the weights (G.
Wang et al., "Aleatoric uncertainty estimation with test-time augmentation", Neurocomputing 338,
2019; for draws from a diffusion, Zhang et al., arXiv 2511.05964, 2025).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import torch
from torch import Tensor

from groklst_models.contract import Method, SamplingMethod, Tiles

_LEAST: Final = 0.01
"""Smallest standard deviation, kelvin; equal answers may still be wrong."""

_LEAST_DRAWS: Final = 5
_MOST_DRAWS: Final = 32
"""Answers at a time; more would change a spread by less than a tenth."""


@dataclass(frozen=True)
class Answers:
    """A way to get several answers.

    Attributes:
        score: Name, among a checkpoint's scores, of the factor of their spread.
        source: How they differ, in words.
        ask: Predicts them for some tiles, kelvin.
    """

    score: str
    source: str
    ask: Callable[[Method, Tiles], Iterable[Tensor]]


def turned_answers(method: Method, tiles: Tiles) -> Iterator[Tensor]:
    """Predict the eight flips and rotations of some tiles, each transformed back; kelvin."""
    for flip in (False, True):
        for quarter in range(4):
            guide = None if tiles.guide is None else _turn(tiles.guide, flip, quarter)
            turned = replace(tiles, lst=_turn(tiles.lst, flip, quarter), guide=guide)
            yield _turn_back(method.predict(turned), flip, quarter)


def drawn_answers(method: Method, tiles: Tiles) -> Iterable[Tensor]:
    """Draw as many answers as ``predict`` averages, but at least 5 and at most 32; kelvin."""
    assert isinstance(method, SamplingMethod)
    return method.draws(tiles, min(max(_LEAST_DRAWS, method.samples), _MOST_DRAWS))


TURNS: Final = Answers("turn_spread_factor", "flips and turns", turned_answers)
DRAWS: Final = Answers("draw_spread_factor", "draws", drawn_answers)


def answers_of(method: Method) -> Answers:
    """Choose the answers of a method: draws if it is random, else flips and rotations."""
    return DRAWS if isinstance(method, SamplingMethod) else TURNS


@dataclass(frozen=True)
class MeasuredSpread:
    """A kind of answers whose spread was compared with the error.

    Attributes:
        answers: The kind.
        factor: Standard deviation of the error for one of the answers' spread.
    """

    answers: Answers
    factor: float

    @classmethod
    def read(cls, scores: Mapping[str, Any], network: type) -> Self | None:
        """Find the factor among a checkpoint's scores; None where it was not measured.

        Args:
            scores: The checkpoint's.
            network: The class of its network, which determines the kind of answers.
        """
        answers = DRAWS if hasattr(network, "draws") else TURNS
        factor = scores.get(answers.score)
        return cls(answers, float(factor)) if isinstance(factor, int | float) else None

    def of(self, method: Method) -> "AnswerSpread":
        """Make the method that predicts the standard deviation of another."""
        return AnswerSpread(method, self)


class AnswerSpread:
    """A method that predicts, instead of the LST, the spread of another's answers."""

    def __init__(self, method: Method, measured: MeasuredSpread) -> None:
        """Wrap a method.

        Args:
            method: Ready to predict; takes tiles of any shape.
            measured: The kind of answers, and the factor.
        """
        self._method, self._measured = method, measured
        self.scale, self.halo = method.scale, method.halo
        self.uses_guide, self.concurrent = method.uses_guide, method.concurrent
        self.device = method.device

    def predict(self, tiles: Tiles) -> Tensor:
        """Return the standard deviation ``(B, 1, s·h, s·w)``, kelvin."""
        answers = torch.stack(list(self._measured.answers.ask(self._method, tiles)))
        return (answers.std(dim=0) * self._measured.factor).clamp(min=_LEAST)


def _turn(values: Tensor, flip: bool, quarter: int) -> Tensor:
    flipped = values.flip(-1) if flip else values
    return torch.rot90(flipped, quarter, (-2, -1)).contiguous()


def _turn_back(values: Tensor, flip: bool, quarter: int) -> Tensor:
    turned = torch.rot90(values, -quarter, (-2, -1))
    return turned.flip(-1) if flip else turned
