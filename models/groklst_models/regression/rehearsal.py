"""A rehearsal: a method predicts the scene's coarse pixels from a twin that is twice as coarse.

It answers three questions with pixels that the method has not seen at the finer scale: how much of
the detail that a method puts in is borne out, which mixture of several methods serves best, and how
much smaller than plain interpolation's its error will be. It is cross-validation over scale, next
to which leaving out pixels of the same scale promises too much: it asks for what lies between
coarse pixels, not inside them.

Judging a product one scale coarser, where the truth is known, is the protocol of L. Wald,
T. Ranchin & M. Mangolini, "Fusion of satellite images of different spatial resolutions",
Photogrammetric Engineering & Remote Sensing 63(6), 1997.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.errors import FitError
from groklst_models.guidance import coarse_means
from groklst_models.sampling.interpolation import upsample_cubic
from groklst_models.sampling.neighbourhood import Neighbourhood
from groklst_models.sampling.twin import Twin
from groklst_models.threads import one_thread

FEWEST: Final = 25
"""Coarse pixels that must be known for a rehearsal to say anything."""

_SURE: Final = 2.5
"""Standard errors by which the share that is borne out may be less than it looks."""

_USUAL_SHARE: Final = 0.8
"""Share that is borne out in rehearsals of scenes on which all of the detail was right: a step
coarser there is less to learn from."""

_SQUARES: Final = (8, 4, 2)
_ENOUGH_SQUARES: Final = 12
"""Sides of squares over which errors count as one, coarse pixels, and how many there should be."""

_ROUNDS: Final = 3
"""In which coarse means are restored."""

Make = Callable[[int], FittedMethod]
"""Makes a method for a scale, not fitted."""


@dataclass(frozen=True)
class Rehearsed:
    """What some methods made of the twin, where all is known.

    Attributes:
        detail: ``(n, M)``, what each method adds to interpolation, kelvin.
        wanted: ``(n,)``, what should have been added, kelvin.
        square: ``(n,)``, which square each pixel lies in.
    """

    detail: NDArray[np.float64]
    wanted: NDArray[np.float64]
    square: NDArray[np.int64]

    def mixed(self, weights: Sequence[float]) -> "Rehearsed":
        """Return what a weighted sum of the methods made of it."""
        return Rehearsed((self.detail @ np.asarray(weights))[:, None], self.wanted, self.square)

    def weights(self, usual: Sequence[float], pull: float) -> tuple[float, ...]:
        """Find the weights of least error, not negative, that sum to 1.

        Args:
            usual: Weights that hold where the twin cannot tell.
            pull: As so many pixels vouch for them.
        """
        from scipy.optimize import nnls  # a rehearsal of one method asks for no weights

        unit = math.sqrt(pull * float(np.mean(self.detail**2)) if self.detail.size else 0.0)
        design = np.concatenate([self.detail, unit * np.eye(len(usual))])
        target = np.concatenate([self.wanted, unit * np.asarray(usual)])
        found, _ = nnls(design, target)
        total = float(found.sum())
        return tuple(float(value) / total for value in found) if total else tuple(usual)

    def share(self) -> float:
        """Say how much of the first method's detail is borne out beyond doubt, 0 to 1."""
        count = int(self.square.max()) + 1 if self.square.size else 0
        first = self.detail[:, 0]
        squares = np.bincount(self.square, first**2, count)
        if len(self.wanted) < FEWEST or count < 2 or not squares.sum() > 0:
            return 0.0
        products = np.bincount(self.square, first * self.wanted, count)
        found = products.sum() / squares.sum()
        left = products - found * squares
        error = math.sqrt(float((left**2).sum()) * count / (count - 1)) / float(squares.sum())
        return min(1.0, max(0.0, (float(found) - _SURE * error) / _USUAL_SHARE))

    def gain(self, share: float = 1.0) -> float:
        """Say by which share the first method's RMSE lies below interpolation's; may be negative.

        Args:
            share: Of its detail that is kept.
        """
        plain = float((self.wanted**2).sum())
        left = float(((self.wanted - share * self.detail[:, 0]) ** 2).sum())
        return 1 - math.sqrt(left / plain) if plain else 0.0


def rehearse(scene: SceneView, members: Sequence[Make], psf: float | None) -> Rehearsed | None:
    """Fit methods to a twin of the scene and compare their answers with its coarse pixels.

    Args:
        scene: What they are meant for.
        members: Make the methods.
        psf: The scene's point spread, fine pixels; None where it plays no part in the methods.

    Returns:
        None where too little is known, or a method cannot be fitted to the twin.
    """
    twin = Twin.of(scene, psf)
    if twin is None or np.isfinite(twin.truth).sum() < FEWEST:
        return None
    with one_thread():  # so that the bits are the same on any machine
        known = torch.from_numpy(np.isfinite(twin.lst))
        lst = torch.nan_to_num(torch.from_numpy(twin.lst))
        filled = torch.where(known, lst, _around(lst, known))[None, None]
        tiles = Tiles(filled, torch.from_numpy(twin.guide)[None], (0,), (0,))
        plain = twin.seen(_conserved(upsample_cubic(filled, twin.scale), filled, known))
        answers = []
        for make in members:
            method = make(twin.scale)
            try:
                method.fit(twin)
            except FitError:
                return None
            answers.append(twin.seen(_conserved(method.predict(tiles), filled, known)))
    truth = torch.from_numpy(twin.truth)
    covered = coarse_means(torch.from_numpy(twin.guide)[None], twin.scale // 2)[0]
    usable = (torch.isfinite(truth) & torch.isfinite(covered).all(dim=0)).numpy()
    detail = np.stack([(answer - plain).double().numpy()[usable] for answer in answers], axis=1)
    wanted = (truth - plain).double().numpy()[usable]
    return Rehearsed(detail, wanted, _squares(usable))


def _around(lst: Tensor, known: Tensor) -> Tensor:
    """Guess gaps from what is known around them; the mean where nothing is."""
    near = Neighbourhood(1.0)
    mean = lst[known].mean() if known.any() else lst.new_zeros(())
    return torch.where(near.share(known) > 0, near.mean(lst[None], known)[0], mean)


def _conserved(fine: Tensor, lst: Tensor, known: Tensor) -> Tensor:
    """Restore the coarse means, as well as this takes to compare two answers."""
    scale = fine.shape[-1] // lst.shape[-1]
    for _ in range(_ROUNDS):
        left = torch.where(known, lst - coarse_means(fine, scale), 0.0)
        fine = fine + upsample_cubic(left, scale)
    return fine


def _squares(usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the squares that pixels lie in: the largest of which there are enough."""
    rows, columns = np.nonzero(usable)
    number = np.zeros(len(rows), np.int64)
    for side in _SQUARES:
        place = rows // side * usable.shape[1] + columns // side
        number = np.unique(place, return_inverse=True)[1].astype(np.int64)
        if len(number) and number.max() + 1 >= _ENOUGH_SQUARES:
            break
    return number
