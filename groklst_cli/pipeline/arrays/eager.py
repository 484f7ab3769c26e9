"""Scenes whose rasters are arrays: they lie in GDAL's memory while the same code reads them.

Part of a raster lies there in the frame of the whole: a sparse GeoTIFF of the whole raster's size
in which only that part has pixels. So a part is read, and warped, as the whole file would be.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final

import numpy as np
from rasterio.io import MemoryFile
from rasterio.windows import Window

from groklst_cli.errors import GroklstError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.summary import Summary
from groklst_cli.geo.units import CELSIUS_ZERO, Units, units_of
from groklst_cli.pipeline.downscale.request import Plan, Request
from groklst_cli.pipeline.predict.coregister import coregister
from groklst_cli.pipeline.predict.default_scale import (
    FoundScale,
    finer_than_guides,
    settle_scale_of_arrays,
)
from groklst_cli.pipeline.predict.estimate import fitting_batch
from groklst_cli.pipeline.predict.plan import conservation_of, layout_of, plan_of
from groklst_cli.pipeline.predict.ready import memory_errors, prepare, reads_guide, share_processor
from groklst_cli.pipeline.predict.strips import finished_rows, surroundings
from groklst_cli.pipeline.predict.tile_rows import Fine, Layout, predict_tile_rows
from groklst_models.contract import Method
from groklst_models.threads import threads

Shift = tuple[float, float]
"""How far a guide's content lies too far, columns and rows in coarse pixels."""

_PROCESSOR: Final = Lock()

_TYPED: Final = (
    (r"; if it was measured, (add|write) [^;]*", ""),
    (r"add --src-nodata (\S+)", r"take lst.rio.write_nodata(\1)"),
    (r"name it with --src-nodata V", "declare it with lst.rio.write_nodata(V)"),
    (r"-g (\w+),nodata=([^\s;]+)", r"\1.rio.write_nodata(\2)"),
    (r"(\w+),scaling=([\d.]+)([+-])([\d.]+)", r"\1 * \2 \3 \4"),
    (r"(\w+),scaling=([\d.]+)", r"\1 * \2"),
)
"""What is typed on the command line, and what is called in Python instead."""


@dataclass(frozen=True)
class Frame:
    """All of a raster but its pixels.

    Attributes:
        name: For messages.
        grid: Where its pixels are.
        dtype: Numpy's name of their type.
        bands: A name for each band.
        nodata: The value of pixels without one, or None.
        scale: What values are to be multiplied by.
        offset: What is to be added then.
        tags: Words about the unit.
    """

    name: str
    grid: Grid
    dtype: str
    bands: tuple[str, ...]
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> Units | None:
        """The unit that the tags state, if they state one."""
        found = {units for word in self.tags.values() if (units := units_of(word)) is not None}
        return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, eq=False)
class ArrayRaster:
    """A raster, or part of one.

    Attributes:
        frame: Of the whole.
        values: The part's pixels ``(bands, rows, columns)``, of numpy or Dask.
        row: Where the part begins in the whole.
        column: The same across.
    """

    frame: Frame
    values: Any
    row: int = 0
    column: int = 0

    def cut(self, rows: slice, columns: slice) -> "ArrayRaster":
        """Cut a part out of the whole."""
        return replace(
            self, values=self.values[:, rows, columns], row=rows.start, column=columns.start
        )

    def empty(self) -> "ArrayRaster":
        """Keep the frame alone."""
        return replace(self, values=np.empty((len(self.frame.bands), 0, 0), self.frame.dtype))

    def in_memory(self) -> MemoryFile:
        """Write a GeoTIFF into GDAL's memory; close it to free that."""
        frame = self.frame
        memory = MemoryFile(filename=re.sub(r"\W", "_", frame.name))
        with memory.open(
            driver="GTiff",
            dtype=frame.dtype,
            count=len(frame.bands),
            height=frame.grid.height,
            width=frame.grid.width,
            crs=frame.grid.crs,
            transform=frame.grid.transform,
            nodata=frame.nodata,
            tiled=True,
            photometric="MINISBLACK",  # four bands of bytes are no picture with alpha
            SPARSE_OK="TRUE",
            BIGTIFF="IF_SAFER",
        ) as raster:
            for number, name in enumerate(frame.bands, 1):
                raster.set_band_description(number, name)
            raster.scales = (frame.scale,) * len(frame.bands)
            raster.offsets = (frame.offset,) * len(frame.bands)
            raster.update_tags(**frame.tags)
            if self.values.size:
                height, width = self.values.shape[1:]
                values = self.values.astype(frame.dtype, copy=False)
                raster.write(values, window=Window(self.column, self.row, width, height))
        return memory


@contextmanager
def scene_of(
    request: Request,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    *,
    shifts: Sequence[Shift | None] = (),
    summary: Summary | None = None,
    kind: Callable[..., Scene] = Scene,
) -> Iterator[Scene]:
    """Open arrays as a scene.

    Args:
        request: How they are to be understood; its files play no part.
        lst: The coarse raster.
        guides: Guidance.
        shifts: By how much each guide was found to be off.
        summary: Of all LST values, where the array is only part of them.
        kind: The class of scene.
    """
    with gdal_environment(), ExitStack() as held:
        rasters = [held.enter_context(raster.in_memory()) for raster in (lst, *guides)]
        sources = [BandSource(memory.name) for memory in rasters]
        scene = held.enter_context(
            kind(
                sources[0],
                sources[1:],
                request.factor,
                units=request.units,
                resampling=request.resampling,
                summary=summary,
            )
        )
        for guide, shift in zip(scene.guides, shifts, strict=False):
            if shift is not None:
                guide.move(shift[0] * scene.scale, shift[1] * scene.scale)
        yield scene


def downscale_arrays(
    request: Request,
    lst: ArrayRaster,
    guides: Sequence[ArrayRaster],
    note: Callable[[str], None],
) -> tuple[Plan, Fine]:
    """Downscale arrays of numpy at once.

    Returns:
        What was done, and the fine pixels in the LST's own unit, NaN where there is no value.

    Raises:
        GroklstError: If the arrays cannot be used.
    """
    with ExitStack() as held:
        held.enter_context(in_words_of_python())
        request, found = settled(request, lst, guides)
        machine = held.enter_context(processor())
        scene = held.enter_context(scene_of(request, lst, guides))
        plan = plan_of(request, scene, found.source)
        for line in explain(plan, scene, found):
            note(line)
        for doubt in scene.doubts:
            note(in_python(doubt))
        coregister(scene, request.coregister, note)
        method = prepare(
            plan.choice,
            scene,
            psf=request.psf,
            device=request.device,
            precision=request.precision,
            note=note,
        )
        layout = settled_layout(request, plan, scene, method, note)
        kept = conservation_of(request) if plan.conserve else None
        needed = surroundings(plan.strip, scene, kept)
        tile_rows = predict_tile_rows(
            scene,
            method,
            layout,
            needed,
            layout.groups_of(needed),
            reads_guide=reads_guide(method),
            at_once=share_processor(method, layout.count, own=machine, machine=machine),
        )
        made = np.empty(plan.grid.shape, np.float32)
        rows = finished_rows(scene, layout, plan.strip, tile_rows, conservation=kept)
        with memory_errors():
            for first, fine in rows:
                row = first * scene.scale
                made[row : row + len(fine)] = in_units(fine, plan.units)
    return plan, made


def settled(
    request: Request, lst: ArrayRaster, guides: Sequence[ArrayRaster]
) -> tuple[Request, FoundScale]:
    """Find the scale of a request, and put it in."""
    frames = {guide.frame.name: guide.frame.grid for guide in guides}
    return settle_scale_of_arrays(request, lst.frame.grid, frames)


def explain(plan: Plan, scene: Scene, found: FoundScale) -> list[str]:
    """Say what was chosen."""
    lines = [f"method {plan.choice.name}: {plan.choice.reason}"]
    if found.reason:
        lines.append(f"scale {found.value}: {found.reason}")
    return lines + finer_than_guides(scene)


def settled_layout(
    request: Request, plan: Plan, scene: Scene, method: Method, note: Callable[[str], None]
) -> Layout:
    """Cut the whole scene into tiles, in batches that pay on the method's device."""
    if request.batch != "auto":
        return layout_of(plan, request, scene, method)
    single = layout_of(plan, request, scene, method, batch=1)
    channels = len(scene.bands) if reads_guide(method) else 0
    batch = fitting_batch(method, single, channels, note)
    return layout_of(plan, request, scene, method, batch=batch)


def in_units(fine: Fine, units: Units) -> Fine:
    """Turn kelvin into the output's unit."""
    return fine - np.float32(CELSIUS_ZERO) if units == "C" else fine


@contextmanager
def processor() -> Iterator[int]:
    """Have torch's threads to oneself in this process; their number is put back afterwards.

    The number is one for the whole process, and a network's last bits may depend on it.

    Yields:
        The number.
    """
    with _PROCESSOR, threads(None) as count:
        yield count


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Name arrays and arguments in errors, not files in memory and flags."""
    try:
        yield
    except GroklstError as error:
        raise type(error)(in_python(str(error))) from error


def in_python(text: str) -> str:
    """Write a message of the command line so that it can be followed in Python."""
    text = re.sub(r"/vsimem/[^/\s]+/", "", text)
    for typed, called in _TYPED:
        text = re.sub(typed, called, text)
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda flag: _argument(flag[1]), text)


def _argument(flag: str) -> str:
    name = flag.replace("-", "_")
    return {"model": "method", "guide": "guides"}.get(name, name)
