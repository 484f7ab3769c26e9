"""Members of an ensemble, weighed by what they say of pixels they have not seen.

Each member is fitted once for each fold, without it. What those models say of their own fold gives
the weights and the gain; their mean is what is used.
D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992; L. Breiman, "Stacked
regressions", Machine Learning 24, 1996 (weights not negative).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from groklst_models.regression.detail_ridge import Detail, Expand, window_detail
from groklst_models.regression.small_network import Schedule, SmallNetwork, train_network
from groklst_models.sampling.folds import FOUR
from groklst_models.sampling.training_set import TrainingSet, coarse_answer

_TOWARD_EQUAL: Final = 50.0
"""Pull toward equal weights, as so many pixels that ask for them."""

_SURE: Final = 2.0
"""Standard errors by which the gain has to exceed zero."""

Answer = Callable[[Tensor], Tensor]
"""Turns standardised features ``(F, H, W)`` into kelvin above the level ``(H, W)``."""


@dataclass(frozen=True)
class Member:
    """A model of the ensemble.

    Attributes:
        name: For people.
        answer: The mean over the folds' models.
        left_out: ``(n,)``, detail that each pixel's unseeing model gives it, kelvin.
    """

    name: str
    answer: Answer
    left_out: Tensor


@dataclass(frozen=True)
class Weights:
    """What cross-validation says of some members.

    Attributes:
        values: One for each member, not negative.
        gain: Share by which the RMSE of left out detail falls; 0 where that is not sure.
        error: RMSE of left out detail, kelvin.
    """

    values: tuple[float, ...]
    gain: float
    error: float


def ridge_member(name: str, planes: Detail, expand: Expand, shrinkage: float) -> Member:
    """Fit a model that is linear in some planes."""
    left_out = torch.zeros_like(planes.lst)
    total = torch.zeros(planes.planes.shape[1], dtype=torch.float64)
    for fold in range(FOUR.count):
        coefficients = planes.solve(shrinkage, fold)
        held = planes.fold == fold
        left_out[held] = planes.planes[held] @ coefficients
        total += coefficients / FOUR.count
    slopes = total.float()

    def answer(fine: Tensor) -> Tensor:
        return torch.einsum("f,fhw->hw", slopes, expand(fine))

    return Member(name, answer, left_out)


def network_member(
    training: TrainingSet, start: Detail, shrinkage: float, schedule: Schedule, seed: int
) -> Member:
    """Train a small network for each fold, from the linear solution without it."""
    left_out = torch.zeros_like(start.lst)
    networks = []
    for fold in range(FOUR.count):
        skip = start.solve(shrinkage, fold)
        network = train_network(training, skip, seed=seed + fold, schedule=schedule, left_out=fold)
        held = start.fold == fold
        left_out[held] = _network_detail(training, network)[held]
        networks.append(network)

    def answer(fine: Tensor) -> Tensor:
        return torch.stack([network.answer(fine) for network in networks]).mean(dim=0)

    return Member("scene-net", answer, left_out)


def weigh(members: Sequence[Member], lst: Tensor) -> Weights:
    """Weigh members so that together they say most of pixels that were left out.

    Args:
        members: At least one.
        lst: ``(n,)``, detail of the coarse LST, kelvin.

    Returns:
        Weights, all 0 where the members are not surely better than saying nothing.
    """
    answers = torch.stack([member.left_out for member in members], dim=1).numpy()
    target = lst.numpy()
    nothing = float(np.sqrt(np.mean(target**2)))
    pull = np.sqrt(_TOWARD_EQUAL * np.mean(answers**2))
    design = np.concatenate([answers, pull * np.eye(len(members))])
    equal = np.full(len(members), pull / len(members))
    values, _ = nnls(design, np.concatenate([target, equal]))
    left = target - answers @ values
    better = target**2 - left**2
    doubt = float(np.std(better)) / len(better) ** 0.5
    if not float(np.mean(better)) > _SURE * doubt:
        return Weights((0.0,) * len(members), 0.0, nothing)
    error = float(np.sqrt(np.mean(left**2)))
    return Weights(tuple(float(value) for value in values), 1 - error / nothing, error)


def _network_detail(training: TrainingSet, network: SmallNetwork) -> Tensor:
    parts = []
    for window in training.windows:
        seen = coarse_answer(network.answer(window.fine), training.sensor)
        parts.append(window_detail(window, seen[None])[0][:, 0])
    return torch.cat(parts)
