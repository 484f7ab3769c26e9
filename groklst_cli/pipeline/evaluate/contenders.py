"""Run a method on an image, and score its prediction."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import GroklstError
from groklst_cli.geo.metrics import Scores
from groklst_cli.geo.reference import best_shift
from groklst_cli.pipeline.evaluate.scoreboard import ImageOutcome
from groklst_cli.pipeline.predict.choice import choose
from groklst_cli.pipeline.predict.listeners import Note, Progress, silent, unwatched
from groklst_cli.pipeline.predict.settings import Conserving
from groklst_models.registry import REGISTRY

_ENDINGS: Final[dict[str, Conserving]] = {":raw": "none", ":conserved": "kelvin"}


@dataclass(frozen=True)
class Contender:
    """A method as it is run.

    Attributes:
        label: As it was asked for.
        model: The method or checkpoint.
        conserve: Which coarse means are kept.
        samples: Samples whose mean is scored, for methods with random answers.
    """

    label: str
    model: str
    conserve: Conserving = "auto"
    samples: int = 1

    @property
    def is_fitted(self) -> bool:
        """Whether it is fitted to what it downscales instead of loaded with its weights."""
        return self.model == "auto" or self.model in REGISTRY

    def check(self, scale: int) -> None:
        """Refuse a method that cannot run on any image, before the first one.

        Raises:
            GroklstError: If it is unknown, needs weights, or cannot be used at this scale.
        """
        with self.named():
            choose(self.model, ("any",), scale)

    @contextmanager
    def named(self, image: str = "") -> Iterator[None]:
        """Add the method and the image to error messages."""
        try:
            yield
        except GroklstError as error:
            where = f"{self.label} on {image}" if image else self.label
            raise type(error)(f"{where}: {error}") from error

    @classmethod
    def parse(cls, text: str, samples: int = 1) -> Self:
        """Parse ``NAME|FILE[:raw|:conserved]``: without conservation, with it, or by default."""
        for ending, conserve in _ENDINGS.items():
            if text.endswith(ending):
                return cls(text, text.removesuffix(ending), conserve, samples)
        return cls(text, text, samples=samples)


@dataclass(frozen=True)
class Judgement:
    """How a prediction is compared with its truth.

    Attributes:
        remove_bias: Whether the mean difference is subtracted first.
        shift: Largest whole-scene shift that is also tried, fine pixels; 0 for none.
    """

    remove_bias: bool = False
    shift: int = 0


@dataclass(frozen=True)
class Shown:
    """An image with all of its predictions, for display.

    Attributes:
        name: The image's.
        coarse: The LST that was downscaled, kelvin, if known.
        truth: Kelvin.
        predictions: By method, kelvin.
        outcomes: By method.
    """

    name: str
    coarse: NDArray[np.float32] | None
    truth: NDArray[np.float32]
    predictions: Mapping[str, NDArray[np.float32]]
    outcomes: Mapping[str, ImageOutcome]


Watch = Callable[[Shown], None]
"""Called with every image as soon as it is scored."""


@dataclass(frozen=True)
class Follow:
    """Listeners of an evaluation.

    Attributes:
        note: Called with messages.
        progress: Called with the number of finished images and of all images.
        watch: Called with every image.
    """

    note: Note = silent
    progress: Progress = unwatched
    watch: Watch = lambda shown: None


def judge(
    image: str,
    method: str,
    fine: NDArray[np.float32],
    truth: NDArray[np.float32],
    coarse: NDArray[np.float32] | None,
    judgement: Judgement,
) -> ImageOutcome:
    """Score a prediction against its truth, both in kelvin, and the coarse LST if it is known."""
    removed = 0.0
    error = (fine - truth).astype(np.float64)
    if judgement.remove_bias and np.isfinite(error).any():
        removed = float(np.nanmean(error))
        truth = truth + np.float32(removed)
    shifted = best_shift(fine, truth, judgement.shift) if judgement.shift else None
    scores = Scores.of(fine, truth, coarse)
    return ImageOutcome(image, method, scores, bias_removed=removed, shifted=shifted)


def peak_memory() -> float | None:
    """Return the largest resident memory of this process so far, MiB; None if unknown.

    ``getrusage``'s ``ru_maxrss``: it counts all that the process ever held at once, the
    interpreter and its libraries too, and never falls.
    """
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
