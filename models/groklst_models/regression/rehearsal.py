"""A rehearsal: a method is run on a version of the scene that is twice as coarse.

It predicts the scene's coarse pixels, which the method has not seen at that scale. This answers
three questions: how much of the detail that a method adds is right, which mixture of several
methods is best, and how much smaller its error is than that of plain interpolation. It is
cross-validation over scale. Leaving out pixels of the same scale would be too optimistic, because
it tests what is between coarse pixels, not inside them.

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
"""Number of known coarse pixels that a rehearsal needs."""

_SURE: Final = 2.5
"""Standard errors that are subtracted from the confirmed share."""

_USUAL_SHARE: Final = 0.8
"""Share that rehearsals confirm on scenes on which all of the detail was right: one scale coarser
there is less to learn from."""

_SQUARES: Final = (8, 4, 2)
_ENOUGH_SQUARES: Final = 12
"""Sides of squares over which errors count as one, coarse pixels, and how many there should be."""

_ROUNDS: Final = 3
"""Number of rounds in which coarse means are restored."""

Make = Callable[[int], FittedMethod]
"""Makes a method for a scale, not fitted."""


@dataclass(frozen=True)
class Rehearsed:
    """The answers of some methods on the coarser version of the scene.

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
            usual: Weights to use without information from the rehearsal.
            pull: Number of pixels that these weights count as.
        """
        from scipy.optimize import nnls  # a rehearsal of one method asks for no weights

        unit = math.sqrt(pull * float(np.mean(self.detail**2)) if self.detail.size else 0.0)
        design = np.concatenate([self.detail, unit * np.eye(len(usual))])
        target = np.concatenate([self.wanted, unit * np.asarray(usual)])
        found, _ = nnls(design, target)
        total = float(found.sum())
        return tuple(float(value) / total for value in found) if total else tuple(usual)

    def share(self) -> float:
        """Return the share of the first method's detail that is confirmed, 0 to 1."""
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
        """Return by which share the first method's RMSE is below interpolation's; may be negative.

        Args:
            share: Of its detail that is kept.
        """
        plain = float((self.wanted**2).sum())
        left = float(((self.wanted - share * self.detail[:, 0]) ** 2).sum())
        return 1 - math.sqrt(left / plain) if plain else 0.0


def rehearse(scene: SceneView, members: Sequence[Make], psf: float | None) -> Rehearsed | None:
    """Fit methods to a coarser version of the scene, and compare their answers with its pixels.

    Args:
        scene: The scene.
        members: Make the methods.
        psf: The scene's point spread, fine pixels; None where it plays no part in the methods.

    Returns:
        None if too few pixels are known, or a method cannot be fitted.
    """
    twin = Twin.of(scene, psf)
    if twin is None or np.isfinite(twin.truth).sum() < FEWEST:
        return None
    with one_thread():  # so that the bits are the same on any machine
        whole = next(iter(twin.blocks()))
        known, lst = whole.lst_tensor.isfinite(), torch.nan_to_num(whole.lst_tensor)
        filled = torch.where(known, lst, _around(lst, known))[None, None]
        tiles = Tiles(filled, whole.guide_tensor[None], (0,), (0,))
        plain = twin.seen(_conserved(upsample_cubic(filled, twin.scale), filled, known))
        answers = []
        for make in members:
            method = make(twin.scale)
            try:
                method.fit(twin)
            except FitError:
                return None
            answers.append(twin.seen(_conserved(method.predict(tiles), filled, known)))
    truth = torch.from_numpy(twin.truth).to(twin.device)
    covered = coarse_means(whole.guide_tensor[None], twin.scale // 2)[0]
    usable = (torch.isfinite(truth) & torch.isfinite(covered).all(dim=0)).cpu().numpy()
    detail = np.stack([_doubles(answer - plain)[usable] for answer in answers], axis=1)
    wanted = _doubles(truth - plain)[usable]
    return Rehearsed(detail, wanted, _squares(usable))


def _doubles(plane: Tensor) -> NDArray[np.float64]:
    doubles: NDArray[np.float64] = plane.double().cpu().numpy()
    return doubles


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
