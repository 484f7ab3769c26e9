"""Running a method on an image, and judging what it made."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.data.patches import Origin
from groklst_cli.errors import GroklstError, InputError
from groklst_cli.geo.metrics import Scores
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.reference import best_shift, read_lst
from groklst_cli.pipeline.downscale.one_scene import Progress, Request, downscale
from groklst_cli.pipeline.evaluate.cases import Case
from groklst_cli.pipeline.evaluate.scoreboard import Outcome
from groklst_cli.pipeline.predict.ready import choose, find_device
from groklst_models.registry import REGISTRY

_ENDINGS: Final = {":raw": False, ":conserved": True}


@dataclass(frozen=True)
class Contender:
    """A method as it is run.

    Attributes:
        label: As it was asked for.
        model: The method or checkpoint.
        conserve: Whether coarse means are kept; None for the method's own default.
    """

    label: str
    model: str
    conserve: bool | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it is fitted to what it downscales instead of loaded with its weights."""
        return self.model == "auto" or self.model in REGISTRY

    def check(self, scale: int) -> None:
        """Refuse a method that can run on no image, before any is worked on.

        Raises:
            GroklstError: If it is unknown, needs weights, or cannot be used at this scale.
        """
        with self.named():
            choose(self.model, ("any",), scale)

    @contextmanager
    def named(self, image: str = "") -> Iterator[None]:
        """Have errors say whose they are, and on which image."""
        try:
            yield
        except GroklstError as error:
            where = f"{self.label} on {image}" if image else self.label
            raise type(error)(f"{where}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME|FILE[:raw|:conserved]``: ``--no-conserve`` or ``--conserve`` by its end."""
        for ending, conserve in _ENDINGS.items():
            if text.endswith(ending):
                return cls(text, text.removesuffix(ending), conserve)
        return cls(text, text)


@dataclass(frozen=True)
class Judgement:
    """How a prediction is compared with its truth.

    Attributes:
        remove_bias: Whether the mean difference is taken away first.
        shift: Reach of the whole-scene shift that is looked for beside, fine pixels; 0 for none.
    """

    remove_bias: bool = False
    shift: int = 0


@dataclass(frozen=True)
class Shown:
    """An image with all that was predicted for it, for those who want to look.

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
    outcomes: Mapping[str, Outcome]


Watch = Callable[[Shown], None]
"""Called with every image as soon as it is scored."""


@dataclass(frozen=True)
class Follow:
    """Who is told how it goes.

    Attributes:
        note: Told, for people, what is worth knowing.
        progress: Told how many images are done, of how many.
        watch: Shown every image.
    """

    note: Callable[[str], None] = lambda text: None
    progress: Progress = lambda done, total: None
    watch: Watch = lambda shown: None


class Run:
    """Runs every method on a case and judges what it made.

    Fitted methods see the scene that a patch was cut from, where it is kept, as they do in use:
    they are fitted once to the scene, and the patch is cut from what they made of it.
    """

    def __init__(
        self, contenders: Sequence[Contender], judgement: Judgement, work: Path, device: str
    ) -> None:
        self._contenders = list(dict.fromkeys(contenders))
        self._judgement, self._device = judgement, device
        self._target, self._work = work / "prediction.tif", work
        self._scene, self._made = "", dict[str, LstSource]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._forget()

    def check(self, scale: int) -> None:
        """Refuse methods and a device that can serve no image.

        Raises:
            GroklstError: If there is one.
        """
        find_device(self._device)
        for contender in self._contenders:
            contender.check(scale)

    def __call__(self, case: Case, watch: Watch) -> list[Outcome]:
        """Return an outcome for each method, after showing them."""
        predictions, outcomes = {}, {}
        for contender in self._contenders:
            fine, seconds = self._predict(case, contender)
            memory = peak_memory()
            outcome = judge(
                case.name, contender.label, fine, case.truth, case.coarse, self._judgement
            )
            predictions[contender.label] = fine
            outcomes[contender.label] = replace(
                outcome,
                seconds=seconds,
                peak_memory=memory,
                fitted_to=case.fitted_to if contender.is_fitted else None,
            )
        watch(Shown(case.name, case.coarse, case.truth, predictions, outcomes))
        return list(outcomes.values())

    def _predict(
        self, case: Case, contender: Contender
    ) -> tuple[NDArray[np.float32], float | None]:
        """Return the prediction, kelvin, and the wall time if anything had to be run for it."""
        if case.origin is not None and contender.is_fitted:
            return self._cut(case, case.origin, contender)
        seconds = self._downscale(case, contender, self._target)
        return read_lst(BandSource(str(self._target)))[1], seconds

    def _cut(
        self, case: Case, origin: Origin, contender: Contender
    ) -> tuple[NDArray[np.float32], float | None]:
        """Cut a patch from what a method made of its scene."""
        if origin.scene != self._scene:
            self._forget()
            self._scene = origin.scene
        seconds = None
        if contender.label not in self._made:
            target = self._work / f"scene-{self._contenders.index(contender)}.tif"
            seconds = self._downscale(case.whole_scene(), contender, target)
            self._made[contender.label] = LstSource(BandSource(str(target)))
        made = self._made[contender.label]
        if made.grid.shape != origin.shape:
            raise InputError(
                f"{origin.lst} times the scale is {made.grid.shape}, the manifest says "
                f"{origin.shape} (rows, columns); prepare the folder again"
            )
        return made.read(origin.rows)[:, origin.columns], seconds

    def _forget(self) -> None:
        """Close what was made of a scene."""
        for made in self._made.values():
            made.close()
        self._made.clear()

    def _downscale(self, case: Case, contender: Contender, target: Path) -> float:
        """Write the prediction; return the wall time."""
        request = Request(
            lst=case.lst,
            output=target,
            guides=case.guides,
            scale=case.scale,
            model=contender.model,
            conserve=contender.conserve,
            device=self._device,
            overwrite=True,
        )
        with contender.named(case.name):
            return downscale(request).seconds


def judge(
    image: str,
    method: str,
    fine: NDArray[np.float32],
    truth: NDArray[np.float32],
    coarse: NDArray[np.float32] | None,
    judgement: Judgement,
) -> Outcome:
    """Score a prediction against its truth, both in kelvin, and the coarse LST if it is known."""
    removed = 0.0
    error = (fine - truth).astype(np.float64)
    if judgement.remove_bias and np.isfinite(error).any():
        removed = float(np.nanmean(error))
        truth = truth + np.float32(removed)
    shifted = best_shift(fine, truth, judgement.shift) if judgement.shift else None
    scores = Scores.of(fine, truth, coarse)
    return Outcome(image, method, scores, bias_removed=removed, shifted=shifted)


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
