"""Downscale NumPy arrays immediately."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from groklst_cli.geo.unit_names import Units
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pipeline.arrays.processor import processor
from groklst_cli.pipeline.arrays.rasters import ArrayMasks, ArrayRaster, scene_of
from groklst_cli.pipeline.arrays.words import in_words_of_python, noting_in_python
from groklst_cli.pipeline.predict.default_scale import FoundScale, scale_of_grids
from groklst_cli.pipeline.predict.listeners import Note
from groklst_cli.pipeline.predict.memory_errors import memory_errors
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.ready import Ready
from groklst_cli.pipeline.predict.settings import Settings
from groklst_cli.pipeline.predict.tile_rows import Fine

WithDeviation = Callable[[Ready], tuple[Fine, Fine]]
"""Predicts a result and its standard deviation, kelvin."""


def downscale_arrays(
    settings: Settings,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    masks: ArrayMasks,
    note: Note,
    with_deviation: WithDeviation | None = None,
) -> tuple[Plan, Fine, Fine | None]:
    """Downscale NumPy arrays immediately.

    Returns:
        The plan, the fine pixels in the LST's own unit, NaN where there is no value, and their
        standard deviation in kelvin if it was requested.

    Raises:
        GroklstError: If the arrays cannot be used.
    """
    note = noting_in_python(note)
    with ExitStack() as held:
        held.enter_context(in_words_of_python())
        settings, found = settled(settings, lst, guides)
        machine = held.enter_context(processor())
        scene = held.enter_context(scene_of(settings, lst, guides, masks=masks))
        planned = Planned.of(settings, scene, found)
        for line in planned.explain():
            note(line)
        ready = planned.aligned(note).ready(machine, note=note)
        with memory_errors():
            fine, deviation = with_deviation(ready) if with_deviation else (ready.whole(), None)
            return ready.plan, in_units(fine, ready.plan.units), deviation


def settled(
    settings: Settings, lst: ArrayRaster, guides: Sequence[ArrayRaster]
) -> tuple[Settings, FoundScale]:
    """Return the settings with the scale that is found for the arrays."""
    grids = {guide.frame.name: guide.frame.grid for guide in guides}
    found = scale_of_grids(settings, lst.frame.grid, grids)
    return replace(settings, scale=found.value), found


def in_units(fine: Fine, units: Units) -> Fine:
    """Convert kelvin to the output's unit."""
    return fine - np.float32(CELSIUS_ZERO) if units == "C" else fine
