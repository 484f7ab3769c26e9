"""Predicting images in memory, for scores: networks are loaded once, scenes are fitted once."""

import time
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from groklst_cli.data.patches import Origin
from groklst_cli.errors import InputError
from groklst_cli.pipeline.arrays.processor import processor
from groklst_cli.pipeline.arrays.rasters import scene_of
from groklst_cli.pipeline.evaluate.cases import Case
from groklst_cli.pipeline.evaluate.contenders import Contender
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.memory_errors import memory_errors
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.settings import Settings
from groklst_models.contract import Method

Kelvin = NDArray[np.float32]


class Predictor:
    """Runs methods on images and reuses loaded networks and fits.

    Fitted methods get the whole scene that a patch was cut from, if it is kept: they are fitted
    once to the scene, and the patch is cut from the result.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._networks: dict[tuple[str, tuple[str, ...]], Method] = {}
        self._scene, self._made = "", dict[str, Kelvin]()

    def __call__(self, case: Case, contender: Contender) -> tuple[Kelvin, float | None]:
        """Return the prediction, kelvin, and the wall time if anything had to be run for it.

        Raises:
            GroklstError: If the method fails on the image.
        """
        if case.origin is not None and contender.is_fitted:
            return self._cut(case, case.origin, contender)
        return self._downscale(case, contender)

    def _cut(self, case: Case, origin: Origin, contender: Contender) -> tuple[Kelvin, float | None]:
        """Cut a patch from a method's result on its scene."""
        if origin.scene != self._scene:
            self._scene, self._made = origin.scene, {}
        seconds = None
        if contender.label not in self._made:
            made, seconds = self._downscale(case.whole_scene(), contender)
            self._made[contender.label] = made
        made = self._made[contender.label]
        if made.shape != origin.shape:
            raise InputError(
                f"{origin.lst} times the scale is {made.shape}, but the manifest says "
                f"{origin.shape} (rows, columns); prepare the folder again"
            )
        return made[origin.rows, origin.columns], seconds

    def _downscale(self, case: Case, contender: Contender) -> tuple[Kelvin, float]:
        settings = Settings(
            scale=case.scale,
            model=contender.model,
            conserve=contender.conserve,
            device=self._device,
            samples=contender.samples,
        )
        began = time.monotonic()
        with ExitStack() as held:
            held.enter_context(contender.named(case.name))
            held.enter_context(memory_errors())
            machine = held.enter_context(processor())
            scene = held.enter_context(scene_of(settings, case.lst, case.guides))
            planned = Planned.of(settings, scene, FoundScale(case.scale, "option")).aligned()
            key = contender.model, scene.bands
            ready = planned.ready(machine, network=self._networks.get(key))
            if not planned.plan.choice.is_fitted:
                self._networks[key] = ready.method
            return ready.whole(), time.monotonic() - began
