"""Rasters in memory, which are read by the same code as files through GDAL's in-memory files.

A part of a raster is stored as a sparse GeoTIFF of the whole raster's size in which only that part
has pixels. So a part is read and warped exactly as the whole file would be.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.windows import Window

from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import MaskedLst, MaskFile, Masks, QualityRule
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.summary import ValueSummary
from groklst_cli.geo.unit_names import Units
from groklst_cli.geo.units import units_of
from groklst_cli.pipeline.arrays.guide_window import guide_window
from groklst_cli.pipeline.predict.opening import open_scene
from groklst_cli.pipeline.predict.reading import Shift
from groklst_cli.pipeline.predict.ready import move_guides
from groklst_cli.pipeline.predict.settings import Settings


@dataclass(frozen=True)
class Frame:
    """All facts about a raster except its pixels.

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

    @classmethod
    def of(
        cls, name: str, values: NDArray[np.float32], grid: Grid, bands: Sequence[str] = ()
    ) -> Self:
        """Make a raster of kelvin ``(rows, columns)`` or named bands ``(bands, rows, columns)``."""
        tags = {} if bands else {"units": "kelvin"}
        frame = Frame(name, grid, "float32", tuple(bands) or (name,), math.nan, tags=tags)
        return cls(frame, values if bands else values[None])

    def cut(self, rows: slice, columns: slice) -> "ArrayRaster":
        """Cut a part out of the whole."""
        return replace(
            self, values=self.values[:, rows, columns], row=rows.start, column=columns.start
        )

    def empty(self) -> "ArrayRaster":
        """Keep the frame alone."""
        return replace(self, values=np.empty((len(self.frame.bands), 0, 0), self.frame.dtype))

    def in_memory(self) -> MemoryFile:
        """Write an in-memory GeoTIFF; closing it frees the memory."""
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
            photometric="MINISBLACK",  # four bands of bytes are not an RGBA picture
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


Raster = ArrayRaster | BandSource
"""A raster in memory, or a file."""


@dataclass(frozen=True, eq=False)
class ArrayMask:
    """A mask in memory.

    Attributes:
        raster: Its values.
        rule: Which of them are clear.
        band: The guidance band that it is for; None for all, or for the LST.
    """

    raster: ArrayRaster
    rule: QualityRule
    band: str | None = None

    def over(self, fine: Grid, rows: slice, columns: slice) -> "ArrayMask":
        """Cut out what a window of the fine grid depends on."""
        grid = self.raster.frame.grid
        part = guide_window(grid, fine, rows, columns, aligned=True)
        return replace(self, raster=self.raster.cut(*part))

    def empty(self) -> "ArrayMask":
        """Keep the frame alone."""
        return replace(self, raster=self.raster.empty())


@dataclass(frozen=True, eq=False)
class ArrayMasks:
    """The masks of a scene in memory.

    Attributes:
        lst: Of the LST.
        guides: Of guidance.
    """

    lst: Sequence[ArrayMask] = ()
    guides: Sequence[ArrayMask] = ()

    @property
    def rasters(self) -> list[ArrayRaster]:
        """Their values."""
        return [mask.raster for mask in (*self.lst, *self.guides)]

    def each(self, change: Callable[[ArrayMask], ArrayMask]) -> "ArrayMasks":
        """Change every mask."""
        return ArrayMasks(tuple(map(change, self.lst)), tuple(map(change, self.guides)))


NO_ARRAY_MASKS: Final = ArrayMasks()


@contextmanager
def scene_of(
    settings: Settings,
    lst: Raster,
    guides: Sequence[Raster],
    *,
    masks: ArrayMasks = NO_ARRAY_MASKS,
    shifts: Sequence[Shift | None] = (),
    summary: ValueSummary | None = None,
    masked: MaskedLst | None = None,
    kind: Callable[..., Scene] = Scene,
) -> Iterator[Scene]:
    """Open arrays, and files among them, as a scene.

    Args:
        settings: How to read them, with a known scale.
        lst: The coarse raster.
        guides: Guidance.
        masks: Of the LST and of guides.
        shifts: The shift that was found for each guide.
        summary: Of all LST values, where the array is only part of them.
        masked: What masks leave of them, likewise.
        kind: The class of scene.
    """
    with gdal_environment(), ExitStack() as held:
        first, *others = [
            raster
            if isinstance(raster, BandSource)
            else BandSource(held.enter_context(raster.in_memory()).name)
            for raster in (lst, *guides)
        ]
        files = Masks(
            *(
                tuple(
                    MaskFile(
                        BandSource(held.enter_context(mask.raster.in_memory()).name, mask.band),
                        mask.rule,
                    )
                    for mask in of
                )
                for of in (masks.lst, masks.guides)
            )
        )
        opened = open_scene(
            settings, first, others, masks=files, summary=summary, masked=masked, kind=kind
        )
        scene = held.enter_context(opened)
        move_guides(scene, shifts)
        yield scene
