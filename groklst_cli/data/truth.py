"""Scenes as training truth: LST at its native resolution, masked, and guidance on its grid."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.data.degrade import valid_means
from groklst_cli.data.folder_words import in_words_of_folders
from groklst_cli.data.scenes import SceneFolder, refuse_reference
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import GuideSource, tell_apart
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import HALF, NO_MASKS, Masking, Masks, SceneMasks
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.projection import NoWayError, ellipsoid, to_degrees
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.smoothing import gaussian_mean, reach

_FACTORS: Final = range(1, 65)


_NAMED: Final = (
    "name the LST and the guides instead of the folder, with this one as {path},nodata=none"
)
"""What to do if an isolated value was measured, for commands that also take files."""


@dataclass(frozen=True)
class SceneFiles:
    """The files of one scene.

    Attributes:
        name: Its name.
        lst: Its LST raster.
        guides: Its guidance.
        masks: Which pixels of LST and guides are clear.
        folder: The scene folder that they are of; None where files were named one by one.
    """

    name: str
    lst: BandSource
    guides: Sequence[BandSource]
    masks: Masks = NO_MASKS
    folder: SceneFolder | None = None

    @classmethod
    def find(cls, scene: Path, guides: Sequence[BandSource] = (), masks: Masks = NO_MASKS) -> Self:
        """Look into a scene folder, or take a file.

        Args:
            scene: The folder, or an LST raster.
            guides: Guidance beside that of the folder.
            masks: Masks beside that of the folder.

        Raises:
            InputError: If it is neither.
            UsageError: If a guide has the name of a scene's reference.
        """
        refuse_reference(guides)
        raster = BandSource.parse(str(scene))
        if os.path.isfile(raster.path):
            return cls(Path(raster.path).stem, raster, tuple(guides), masks)
        folder = SceneFolder.read(scene)
        lst, found = BandSource(str(folder.lst)), (*folder.guide_sources, *guides)
        both = replace(masks, lst=(*folder.masks, *masks.lst))
        return cls(folder.name, lst, found, both, folder)

    @property
    def native(self) -> str:
        """Pixels of the LST along one of its sensor's own, as ``scene.json`` states it."""
        stated = None if self.folder is None else self.folder.facts.aggregate_first_by
        return str(stated or 1)

    @property
    def left_out(self) -> str | None:
        """Why commands that take many scenes skip this one, as ``scene.json`` states it."""
        return None if self.folder is None else self.folder.facts.left_out

    @property
    def passed_over(self) -> Mapping[str, str]:
        """Rasters that are not used as guides although no convention names them, and why."""
        return {} if self.folder is None else self.folder.passed_over

    def local(self) -> list[Path]:
        """List the files that lie on a disk."""
        sources = (self.lst, *self.guides, *self.masks.sources)
        paths = [Path(source.path) for source in sources]
        return [path for path in paths if path.is_file()]


class SceneTruth:
    """A scene at its native resolution: masked LST, and guidance on the same grid.

    Attributes:
        name: The scene's name.
        grid: Where the truth's pixels lie.
        bands: Names of its guidance bands.
        doubts: Warnings about the values of guides, one line each.
    """

    def __init__(self, files: SceneFiles, native: str = "1", bands: Sequence[str] = ()) -> None:
        """Open a scene's files.

        Args:
            files: Which.
            native: The LST's true resolution: pixels to aggregate, or metres such as ``100m``.
            bands: The guidance bands to keep; empty for all.

        Raises:
            InputError: If a file cannot be used.
            UsageError: If the resolution cannot be read or two bands have one name.
        """
        self.name, self._files = files.name, files
        with ExitStack() as opened:
            with in_words_of_folders(files.lst.path, _NAMED):
                self._lst = LstSource(files.lst)
            opened.callback(self._lst.close)
            raw = self._lst.grid
            self._factor = native_factor(native, raw)
            self.grid = raw.coarsen(self._factor)
            self._guides: list[GuideSource] = []
            self.doubts: list[str] = []
            for source in files.guides:
                guide = GuideSource(source, self.grid)
                opened.callback(guide.close)
                with in_words_of_folders(source.path, _NAMED):
                    self.doubts += guide.doubts()
                self._guides.append(guide)
            tell_apart(self._guides)
            self._choose_bands(bands)
            names, masks = [n for g in self._guides for n in g.names], files.masks
            self._clear = SceneMasks(Masking(lst=masks.lst), raw, ())
            opened.callback(self._clear.close)
            self._hiding = SceneMasks(Masking(guides=masks.guides), self.grid, names)
            opened.callback(self._hiding.close)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def describe(self) -> str:
        """Describe it in words."""
        height, width = self.grid.shape
        return f"{height} × {width} pixels, aggregated by {self._factor}, {', '.join(self.bands)}"

    def provenance(self) -> dict[str, Any]:
        """Describe its inputs as plain data."""
        return {
            "name": self.name,
            "crs": self.grid.crs.to_string(),
            "pixel_size": list(self.grid.pixel_size),
            "aggregated_by": self._factor,
            "bands": list(self.bands),
            "sha256": {path.name: sha256(path) for path in self._files.local()},
        }

    def read_lst(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the truth, kelvin, NaN where it is missing or not clear."""
        f = self._factor
        raw_rows = slice(rows.start * f, rows.stop * f)
        raw_columns = slice(columns.start * f, columns.stop * f)
        values = self._lst.read(raw_rows)[:, raw_columns].copy()
        if self._clear.lst:
            values[self._clear.read_clear(raw_rows, raw_columns) < HALF] = np.nan
        return valid_means(values, f)

    def path_of(self, band: str) -> str:
        """Name the file that a band is read from."""
        return next(guide.path for guide in self._guides if band in guide.names)

    def read_guide(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the chosen bands, physical units, NaN where they are missing."""
        if not self.bands:
            shape = (0, rows.stop - rows.start, columns.stop - columns.start)
            return np.empty(shape, np.float32)
        values = np.concatenate([guide.read(rows, columns) for guide in self._guides])
        names = [name for guide in self._guides for name in guide.names]
        self._hiding.hide(values, names, rows, columns)
        return values[self._chosen]

    def read_coarse(
        self, rows: slice, columns: slice, scale: int, sigma: float
    ) -> NDArray[np.float32]:
        """Read the truth as a coarser sensor sees it.

        Args:
            rows: Of the truth, whole coarse pixels.
            columns: Likewise.
            scale: Fine pixels along a coarse pixel.
            sigma: Standard deviation of the sensor's point spread, fine pixels; surroundings of the
                window are blurred in.

        Returns:
            ``(rows / scale, columns / scale)``, kelvin, NaN where less than half is valid.
        """
        margin, (height, width) = reach(sigma), self.grid.shape
        around = (
            slice(max(0, rows.start - margin), min(height, rows.stop + margin)),
            slice(max(0, columns.start - margin), min(width, columns.stop + margin)),
        )
        blurred = gaussian_mean(self.read_lst(*around), sigma).astype(np.float32)
        top, left = rows.start - around[0].start, columns.start - around[1].start
        inner = blurred[top : top + rows.stop - rows.start, left:]
        return valid_means(inner[:, : columns.stop - columns.start], scale)

    def _choose_bands(self, wanted: Sequence[str]) -> None:
        names = [name for guide in self._guides for name in guide.names]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise UsageError(f"{self.name} has several bands named {twins[0]}; rename a file")
        self.bands = tuple(name for name in names if not wanted or name in wanted)
        self._chosen = [names.index(name) for name in self.bands]


def native_factor(text: str, grid: Grid) -> int:
    """Read ``--native-resolution``: pixels to aggregate, or metres such as ``100m``.

    Raises:
        UsageError: If it is neither, or lies outside 1 … 64 pixels.
        InputError: If it is in metres and the CRS cannot be measured in metres.
    """
    if metres := re.fullmatch(r"(\d+(?:\.\d+)?)\s*m", text):
        factor = max(1, round(float(metres[1]) / _pixel_metres(grid)))
    elif text.isdecimal():
        factor = int(text)
    else:
        raise UsageError(
            f"--native-resolution {text} is not valid, expected a factor (3) or metres (100m)"
        )
    if factor not in _FACTORS:
        raise UsageError(f"--native-resolution {text} joins {factor} pixels; allowed are 1 … 64")
    return factor


def _pixel_metres(grid: Grid) -> float:
    """Measure the middle pixel's column step on the ellipsoid."""
    try:
        to_earth = to_degrees(grid.crs)
    except NoWayError as error:
        raise InputError(
            f"metres are not known in {grid.crs}; write the resolution as a number of pixels, as "
            "in --native-resolution 3"
        ) from error
    row, column = grid.height / 2, grid.width / 2
    ends = [to_earth(*(grid.transform * (c, row))) for c in (column, column + 1)]
    _, _, metres = ellipsoid().inv(*ends[0], *ends[1])
    return float(metres)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
