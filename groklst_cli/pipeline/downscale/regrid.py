"""Write a result on another grid: first on the LST's own grid, then resampled strip by strip.

If the target's pixels are at least 1.5 times as long as the result's, each becomes the mean of
values interpolated over its area; otherwise the value interpolated at its centre. Both are cubic,
so a plane is reproduced. A target pixel has a value if its centre is on a known coarse pixel and
the masks are clear there.
"""

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from groklst_cli.geo.align import FINER, GuideSource
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import HALF, MaskFile, MaskSource, SceneMasks
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.targets import Finished
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.geo.writer import ResultFile
from groklst_cli.pipeline.predict.plan import Plan

Fine = NDArray[np.float32]

_ROWS: Final = 128  # of the target at once; as high as GDAL's blocks of a warp
_LEAST_PARTS: Final = 16  # along a coarse pixel at which the result is sampled
_VALUES: Final = 2**26  # that are read to measure coarse means


@dataclass(frozen=True)
class CoarseMeans:
    """Differences of coarse means from the LST, kelvin.

    Attributes:
        pixels: Coarse pixels that were compared: those that are used and completely covered.
        rms: Root mean square of the difference.
        largest: The largest difference.
        rms_before: Root mean square on the LST's own grid.
    """

    pixels: int
    rms: float
    largest: float
    rms_before: float

    def __str__(self) -> str:
        """Return it as text."""
        if not self.pixels:
            return (
                "no coarse pixel lies completely on the target's grid, so coarse means were "
                "not compared"
            )
        return (
            f"on the target's grid, coarse means differ from the LST by {self.rms:.3f} K RMS, "
            f"{self.largest:.2f} K at most ({self.rms_before:.3f} K RMS before; {self.pixels} "
            "coarse pixels)"
        )

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        if not self.pixels:
            return {"pixels": 0}
        return {
            "pixels": self.pixels,
            "rms": round(self.rms, 4),
            "largest": round(self.largest, 4),
            "rms_before": round(self.rms_before, 4),
        }


class Regridded:
    """A result that takes rows on the LST's own grid and becomes a file on another grid.

    Used like ``ResultFile``, which it writes.

    Attributes:
        native: The rows as a raster on the LST's own grid, kelvin; it is deleted at the end.
        mean: Of the finished file's valid pixels, kelvin.
    """

    def __init__(self, file: ResultFile, plan: Plan, scene: Scene, folder: Path) -> None:
        """Plan a file; nothing is written yet.

        Args:
            file: The file on the target's grid.
            plan: The plan, on the LST's own grid.
            scene: The scene with masks and gaps.
            folder: Where to work.
        """
        assert plan.target is not None
        self._file, self._plan, self._scene, self._work = file, plan, scene, folder
        self._target = plan.target
        self.mean = math.nan

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self._file)
            with self._file.refusals():
                folder = Path(tempfile.mkdtemp(prefix=".native.", suffix=".part", dir=self._work))
                held.callback(shutil.rmtree, folder, ignore_errors=True)
                self.native, self._known = folder / "native.tif", folder / "known.tif"
                self._rows = rasterio.open(self.native, "w", **_profile(self._plan.grid, "float32"))
            held.callback(self._rows.close)
            self._held = held.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def write(self, row: int, fine: Fine) -> None:
        """Write whole rows of the LST's own grid, kelvin, without gaps.

        Raises:
            GroklstError: If a file cannot be written.
        """
        with self._file.refusals():
            self._rows.write(fine, 1, window=Window(0, row, self._plan.grid.width, len(fine)))

    def finish(self) -> Finished:
        """Resample the rows, complete the file under a temporary name, and check it.

        Raises:
            GroklstError: If a file cannot be written.
        """
        with self._file.refusals():
            self._rows.close()
            self._write_known()
        value, pixels = 0.0, 0
        for row, fine in self._brought():
            self._file.write(row, fine)
            valid = np.isfinite(fine)
            value += float(fine.sum(where=valid, dtype=np.float64))
            pixels += int(valid.sum())
        self.mean = value / pixels if pixels else math.nan
        return self._file.finish()

    def coarse_means(self, made: Path) -> CoarseMeans:
        """Compare means over coarse pixels with the LST, on some rows of a large scene."""
        plan, scene, s = self._plan, self._scene, self._plan.scale
        rows, columns = plan.strip.rows, plan.strip.columns
        parts = max(2, -(-_LEAST_PARTS // s))
        along = parts * s
        width = columns.stop - columns.start
        count = max(1, min(rows.stop - rows.start, _VALUES // (along * along * width)))
        differences, before = [], []
        with ExitStack() as opened:
            result = GuideSource(BandSource(str(made)), plan.grid.refine(parts), "nearest")
            opened.callback(result.close)
            in_celsius = result_is_celsius(made)
            native = opened.enter_context(rasterio.open(self.native))
            for row in _evenly(rows, count):
                first = row - rows.start
                part = slice(first * along, (first + 1) * along), slice(0, width * along)
                after = block_means(result.read(*part)[0], along)
                own = native.read(1, window=Window(0, first * s, width * s, s))
                lst = scene.read_lst(slice(row, row + 1), columns).astype(np.float64)
                difference = after + (CELSIUS_ZERO if in_celsius else 0.0) - lst
                known = np.isfinite(difference)
                differences.append(difference[known])
                before.append((block_means(own, s) - lst)[known])
        all_of_them = np.concatenate(differences)
        if not all_of_them.size:
            return CoarseMeans(0, math.nan, math.nan, math.nan)
        rms, rms_before = (
            float(np.sqrt(np.mean(np.square(d)))) for d in (all_of_them, np.concatenate(before))
        )
        return CoarseMeans(all_of_them.size, rms, float(np.abs(all_of_them).max()), rms_before)

    def _write_known(self) -> None:
        """Write which coarse pixels are known, as a mask on the LST's grid."""
        strip, coarse = self._plan.strip, self._scene.coarse
        grid = coarse.crop(strip.rows, strip.columns)
        with rasterio.open(self._known, "w", **_profile(grid, "uint8")) as known:
            for rows in self._scene.chunks(strip.rows):
                values = self._scene.read_known(rows, strip.columns).astype(np.uint8)
                first = rows.start - strip.rows.start
                known.write(values, 1, window=Window(0, first, grid.width, len(values)))

    def _brought(self) -> Iterator[tuple[int, Fine]]:
        """Yield the target's rows, kelvin, NaN where there is no value."""
        scene, target = self._scene, self._target
        with ExitStack() as opened:
            known = MaskSource(MaskFile(BandSource(str(self._known))), target)
            opened.callback(known.close)
            masking = replace(scene.masking, guides=())
            masks = SceneMasks(masking, target, ())
            opened.callback(masks.close)
            values = _Interpolated(self.native, self._plan.grid, target)
            opened.callback(values.close)
            columns = slice(0, target.width)
            for start in range(0, target.height, _ROWS):
                rows = slice(start, min(target.height, start + _ROWS))
                fine = values.read(rows, columns)
                cut = known.read(rows, columns) < HALF
                if masking.lst and not masking.fill:
                    cut |= masks.read_clear(rows, columns) < HALF
                fine[cut] = np.nan
                yield start, fine


class _Interpolated:
    """A raster's values on another grid."""

    def __init__(self, path: Path, here: Grid, there: Grid) -> None:
        ratio = here.pixels_per_pixel_of(there)
        whole = max(1, round(ratio)) if math.isfinite(ratio) else 1
        finer = math.isfinite(ratio) and ratio >= FINER
        if there.refine(whole).offset_of(here) is not None:  # whole pixels make up each
            self._along = whole
            self._source = GuideSource(BandSource(str(path)), there.refine(whole), "auto")
        else:
            self._along = 2 * math.ceil(ratio) if finer else 1
            self._source = GuideSource(BandSource(str(path)), there.refine(self._along), "cubic")

    def close(self) -> None:
        """Close the raster."""
        self._source.close()

    def read(self, rows: slice, columns: slice) -> Fine:
        """Read a window of the other grid, NaN where the raster does not reach."""
        n = self._along
        parts = (slice(part.start * n, part.stop * n) for part in (rows, columns))
        (values,) = self._source.read(*parts)
        return values if n == 1 else block_means(values, n).astype(np.float32)


def result_is_celsius(path: Path) -> bool:
    """Return whether a result is in °C."""
    with rasterio.open(path) as result:
        return bool(result.units[0] == "degC")


def _evenly(rows: slice, count: int) -> list[int]:
    found: list[int] = np.linspace(rows.start, rows.stop - 1, count).round().astype(int).tolist()
    return found


def _profile(grid: Grid, dtype: str) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "dtype": dtype,
        "count": 1,
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": math.nan if dtype == "float32" else None,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "BIGTIFF": "IF_SAFER",
    }
