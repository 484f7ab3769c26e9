"""The doctor's trials: one point through PROJ, one tiny scene through ``downscale``."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform

from groklst_cli.errors import words_of

_POINT: Final = (500_000.0, 4_427_757.218739)  # EPSG:32647, metres
_PLACE: Final = (99.0, 40.0)  # the same, degrees east and north
_NEAR: Final = 1e-6  # degrees; a tenth of a metre
_SCALE: Final = 4
_SIDE: Final = 16  # coarse pixels
_SECONDS: Final = 300


def misplaced() -> str:
    """Return what is wrong with the PROJ of rasterio and pyproj; empty if nothing."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        xs, ys = transform(CRS.from_epsg(32647), CRS.from_epsg(4326), [_POINT[0]], [_POINT[1]])
        ours = (xs[0], ys[0])
        theirs = Transformer.from_crs(32647, 4326, always_xy=True).transform(*_POINT)
    except (RasterioError, CRSError, ProjError, OSError) as error:
        return words_of(error)
    for library, found in (("rasterio", ours), ("pyproj", theirs)):
        if max(abs(a - b) for a, b in zip(found, _PLACE, strict=True)) > _NEAR:
            return f"{library} places {_POINT} of EPSG:32647 at {found}, expected {_PLACE}"
    return ""


def try_downscale() -> tuple[str, float]:
    """Downscale a tiny scene with this Python; return what is wrong, if anything, and seconds."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="groklst-doctor-") as name:
        folder = Path(name)
        try:
            lst = _make_scene(folder)
            told = subprocess.run(
                _command(folder), capture_output=True, text=True, timeout=_SECONDS
            )
            if told.returncode != 0:
                last = told.stderr.strip().rpartition("\n")[2]
                return f"exit code {told.returncode}: {last}", time.monotonic() - began
            with rasterio.open(folder / "fine.tif") as result:
                fine = result.read(1)
        except (RasterioError, CRSError, OSError) as error:
            return words_of(error), time.monotonic() - began
        except subprocess.TimeoutExpired:
            return f"it was not finished after {_SECONDS} s", time.monotonic() - began
    means = fine.reshape(_SIDE, _SCALE, _SIDE, _SCALE).mean((1, 3))
    off = float(np.abs(means - lst).max())
    wrong = f"coarse means are {off:.3f} K off" if not off <= 0.01 else ""
    return wrong, time.monotonic() - began


def _make_scene(folder: Path) -> NDArray[np.float32]:
    """Write ``lst.tif`` and ``red.tif``; return the LST."""
    rng = np.random.default_rng(0)
    red = rng.uniform(0.05, 0.5, (_SIDE * _SCALE, _SIDE * _SCALE)).astype(np.float32)
    lst: NDArray[np.float32] = 300 + 20 * red.reshape(_SIDE, _SCALE, _SIDE, _SCALE).mean((1, 3))
    coarse = Affine(240, 0, _POINT[0], 0, -240, 4_390_000)
    for name, values, grid in (
        ("lst.tif", lst, coarse),
        ("red.tif", red, coarse * Affine.scale(1 / _SCALE)),
    ):
        with rasterio.open(
            folder / name, "w", driver="GTiff", count=1, height=len(values), width=len(values),
            dtype="float32", crs=CRS.from_epsg(32647), transform=grid,
        ) as raster:  # fmt: skip
            raster.write(values, 1)
    return lst


def _command(folder: Path) -> list[str]:
    files = [str(folder / name) for name in ("lst.tif", "fine.tif", "red.tif")]
    run = [sys.executable, "-m", "groklst_cli", "downscale", *files[:2], "--guide", files[2]]
    return [*run, "--scale", str(_SCALE), "--model", "ridge", "--lst-units", "K", "--quiet"]
