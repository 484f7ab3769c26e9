"""What a protocol makes of a scene: something to downscale, and the truth to compare with.

A scene is a folder: ``lst.tif``, guidance rasters, and maybe ``clear.tif`` (1 where usable) and
``reference_lst.tif`` (of another sensor).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from groklst_cli.data.patches import Patch
from groklst_cli.errors import InputError
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource, grid_of, open_raster
from groklst_cli.geo.reference import bring_reference, read_lst
from groklst_cli.geo.structure import correlation
from groklst_cli.pipeline.protocol import CrossSensorProtocol, WaldProtocol

_LST: Final = "lst.tif"
_CLEAR: Final = "clear.tif"
_REFERENCE: Final = "reference_lst.tif"
_PLACEHOLDER: Final = CRS.from_epsg(32631), Affine(240, 0, 500_000, 0, -240, 4_400_000)


@dataclass(frozen=True)
class Case:
    """One image of an evaluation.

    Attributes:
        name: The scene's.
        lst: The coarse raster to downscale.
        guides: Its guidance.
        scale: Fine pixels along a coarse one.
        coarse: Values of that raster, kelvin.
        truth: ``(rows · scale, columns · scale)``, kelvin, NaN where there is none.
        coarse_correlation: Of the two sensors' values at the coarse scale, where there are two.
    """

    name: str
    lst: BandSource
    guides: Sequence[BandSource]
    scale: int
    coarse: NDArray[np.float32]
    truth: NDArray[np.float32]
    coarse_correlation: float | None = None


def scene_folders(folder: Path, wanted: Sequence[str] = ()) -> list[Path]:
    """List the scenes of a folder by name.

    Args:
        folder: Holds a folder for every scene; or is a scene itself.
        wanted: Names to choose; all when empty.

    Raises:
        InputError: If there is none, or a wanted one is not there.
    """
    parents = [folder] if (folder / _LST).is_file() else sorted(folder.glob("*/"))
    found = [scene for scene in parents if (scene / _LST).is_file()]
    if not found:
        raise InputError(
            f"{folder} holds no scene; a scene is a folder with {_LST} and its guides; name a "
            "folder of such folders with --data"
        )
    names = [scene.name for scene in found]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(
            f"{folder} has no scene {', '.join(missing)}; it has {', '.join(names)}; "
            "choose from these with --scene"
        )
    return [scene for scene in found if not wanted or scene.name in wanted]


def wald_case(scene: Path, protocol: WaldProtocol, work: Path) -> Case:
    """Make the truth at the sensor's own resolution and write its means as the coarse LST.

    Guides are handed on as they are: ``downscale`` brings them to the truth's grid by area mean.

    Args:
        scene: The scene's folder.
        protocol: How.
        work: Where to write the coarse raster.

    Raises:
        InputError: If the scene cannot be used.
    """
    grid, values = read_lst(BandSource(str(scene / _LST)))
    if (scene / _CLEAR).is_file():
        values[_read_clear(scene / _CLEAR, grid) != 1] = np.nan
    native, scale = protocol.native_of(scene.name), protocol.scale
    rows, columns = (size // (native * scale) for size in grid.shape)
    if not rows or not columns:
        raise InputError(
            f"{scene / _LST} is {grid.height} × {grid.width} pixels, one coarse pixel takes "
            f"{native * scale}; leave the scene out or use a protocol of a smaller scale"
        )
    whole = values[: rows * native * scale, : columns * native * scale]
    truth = block_means(whole, native).astype(np.float32)
    seen = _blurred(truth, protocol.psf_sigma * scale)
    coarse = block_means(seen, scale).astype(np.float32)
    path = work / f"{scene.name}.tif"
    _write(path, coarse, _coarsened(grid, native * scale))
    lst = BandSource(str(path))
    return Case(scene.name, lst, _guides(scene, protocol), scale, coarse, _known(truth, coarse))


def cross_sensor_case(scene: Path, protocol: CrossSensorProtocol) -> Case:
    """Bring the other sensor's LST onto the fine grid.

    Raises:
        InputError: If the scene cannot be used.
    """
    lst = BandSource(str(scene / _LST))
    grid, coarse = read_lst(lst)
    path = str(scene / _REFERENCE)
    here, values = read_lst(BandSource(path))
    truth, coarse_truth = (
        bring_reference(values, here, there, least_covered=protocol.least_covered, path=path)
        for there in (grid.refine(protocol.scale), grid)
    )
    both = np.isfinite(coarse) & np.isfinite(coarse_truth)
    agreement = correlation(coarse[both].astype(float), coarse_truth[both].astype(float))
    guides = _guides(scene, protocol)
    return Case(scene.name, lst, guides, protocol.scale, coarse, _known(truth, coarse), agreement)


def patch_case(patch: Patch, bands: Sequence[str], scale: int, work: Path) -> Case:
    """Write a patch that has no place on Earth as rasters at a placeholder place.

    Args:
        patch: Coarse LST, truth and guidance.
        bands: Names of its guidance bands.
        scale: Fine pixels along a coarse one.
        work: Where to write.
    """
    coarse = Grid(*_PLACEHOLDER, *patch.lst.shape)
    lst, guide = work / "lst.tif", work / "guide.tif"
    _write(lst, patch.lst, coarse)
    _write(guide, patch.guide, coarse.refine(scale), bands)
    sources = [BandSource(str(guide))] if bands else []
    return Case(
        patch.name, BandSource(str(lst)), sources, scale, patch.lst, _known(patch.truth, patch.lst)
    )


def _guides(scene: Path, protocol: WaldProtocol | CrossSensorProtocol) -> list[BandSource]:
    others = {Path(name).stem for name in (_LST, _CLEAR, _REFERENCE)} | set(protocol.not_guides)
    found = sorted(path for path in scene.glob("*.tif") if path.stem not in others)
    return [BandSource(str(path)) for path in found]


def _known(truth: NDArray[np.float32], coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave truth only where there is a coarse LST to make it from."""
    scale = truth.shape[0] // coarse.shape[0]
    gaps = np.isnan(coarse).repeat(scale, axis=0).repeat(scale, axis=1)
    return np.where(gaps, np.float32(np.nan), truth)


def _read_clear(path: Path, grid: Grid) -> NDArray[np.generic]:
    with open_raster(str(path)) as dataset:
        here = grid_of(dataset)
        if here.shape != grid.shape or grid.offset_of(here) != (0, 0):
            raise InputError(f"{path} lies on another grid than {_LST}; warp it onto that one")
        clear: NDArray[np.generic] = dataset.read(1)
    return clear


def _blurred(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Average the valid pixels under a Gaussian; NaN stays NaN."""
    if sigma == 0:
        return plane
    valid = np.isfinite(plane)
    total = gaussian_filter(np.where(valid, plane, 0).astype(np.float64), sigma, mode="reflect")
    share = gaussian_filter(valid.astype(np.float64), sigma, mode="reflect")
    return np.where(valid, total / np.where(valid, share, 1), np.nan).astype(np.float32)


def _coarsened(grid: Grid, factor: int) -> Grid:
    """Join ``factor × factor`` pixels; a rest at the lower and right edge is cut off."""
    rows, columns = (size // factor for size in grid.shape)
    return Grid(grid.crs, grid.transform * Affine.scale(factor), rows, columns)


def _write(path: Path, values: NDArray[np.float32], grid: Grid, bands: Sequence[str] = ()) -> None:
    """Write kelvin ``(rows, columns)``, or named bands ``(bands, rows, columns)``."""
    profile = {"driver": "GTiff", "dtype": "float32", "count": len(bands) or 1, "nodata": np.nan}
    place = {"crs": grid.crs, "transform": grid.transform}
    height, width = grid.shape
    with rasterio.open(path, "w", height=height, width=width, **place, **profile) as dataset:
        dataset.write(values if bands else values[None])
        dataset.descriptions = tuple(bands) or ("LST",)
        if not bands:
            dataset.update_tags(units="kelvin")
