"""Cases of a protocol: an input to downscale, and the truth to compare with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from groklst_cli.data.patches import Origin, PatchSource
from groklst_cli.data.scenes import REFERENCE, SceneFolder
from groklst_cli.errors import InputError
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.reference import bring_reference, read_lst
from groklst_cli.geo.structure import correlation
from groklst_cli.pipeline.arrays.rasters import ArrayRaster, Raster
from groklst_cli.pipeline.evaluate.imitated_sensor import Measured
from groklst_cli.pipeline.evaluate.protocol import CrossSensorProtocol, WaldProtocol
from groklst_cli.pipeline.evaluate.scoreboard import FittedTo

_PLACEHOLDER: Final = CRS.from_epsg(32631), Affine(240, 0, 500_000, 0, -240, 4_400_000)


@dataclass(frozen=True)
class Case:
    """One image of an evaluation.

    Attributes:
        name: The scene's.
        lst: The coarse raster to downscale, in memory or a file.
        guides: Its guidance, likewise.
        scale: Fine pixels along a coarse pixel.
        coarse: Values of that raster, kelvin.
        truth: ``(rows · scale, columns · scale)``, kelvin, NaN where there is none.
        coarse_correlation: Of the two sensors' values at the coarse scale, where there are two.
        origin: Where it was cut from, if it is a patch of a scene that is kept.
        fitted_to: What fitted methods are fitted to.
        exact: Plain means of the truth, kelvin, if ``coarse`` holds values of an imitated sensor.
        noise: Standard deviation of the noise that was added to ``coarse``, kelvin.
    """

    name: str
    lst: Raster
    guides: Sequence[Raster]
    scale: int
    coarse: NDArray[np.float32]
    truth: NDArray[np.float32]
    coarse_correlation: float | None = None
    origin: Origin | None = None
    fitted_to: FittedTo = "scene"
    exact: NDArray[np.float32] | None = None
    noise: float = 0.0

    def with_exact_means(self) -> "Case":
        """Return the same scene with the truth's plain means for its coarse LST."""
        assert self.exact is not None
        assert isinstance(self.lst, ArrayRaster)
        lst = ArrayRaster.of(self.name, self.exact, self.lst.frame.grid)
        return replace(self, lst=lst, coarse=self.exact, exact=None, noise=0.0)

    def whole_scene(self) -> "Case":
        """Return the scene that a patch was cut from, to be downscaled instead."""
        assert self.origin is not None
        guide = self.origin.guide
        guides = [] if guide is None else [BandSource(str(guide))]
        return replace(
            self, name=self.origin.scene, lst=BandSource(str(self.origin.lst)), guides=guides
        )


def wald_case(scene: SceneFolder, protocol: WaldProtocol) -> Case:
    """Make the truth at the sensor's resolution, and the values of a coarser sensor.

    Guides are passed on unchanged: ``downscale`` resamples them to the truth's grid by area mean.

    Args:
        scene: The scene.
        protocol: How.

    Raises:
        InputError: If the scene cannot be used.
    """
    grid, values = read_lst(BandSource(str(scene.lst)))
    if scene.clear is not None:
        values[_read_clear(scene.clear, grid) != 1] = np.nan
    native, scale = protocol.native_of(scene.name, scene.facts.aggregate_first_by), protocol.scale
    rows, columns = (size // (native * scale) for size in grid.shape)
    if not rows or not columns:
        raise InputError(
            f"{scene.lst} is {grid.height} × {grid.width} pixels, but one coarse pixel needs "
            f"{native * scale}; leave the scene out, or use a protocol with a smaller scale"
        )
    whole = values[: rows * native * scale, : columns * native * scale]
    truth = block_means(whole, native).astype(np.float32)
    measured = Measured.of(truth, protocol, scene.name)
    lst = ArrayRaster.of(scene.name, measured.coarse, grid.coarsen(native * scale))
    guides = scene.without(protocol.not_guides).guide_sources
    return Case(
        scene.name,
        lst,
        guides,
        scale,
        measured.coarse,
        _known(truth, measured.coarse),
        exact=None if protocol.is_exact else measured.exact,
        noise=measured.noise,
    )


def cross_sensor_case(scene: SceneFolder, protocol: CrossSensorProtocol) -> Case:
    """Resample the LST of the other sensor to the fine grid.

    Args:
        scene: The scene.
        protocol: How.

    Raises:
        InputError: If the scene cannot be used.
    """
    if scene.reference is None:
        raise InputError(
            f"{scene.path} has no {REFERENCE}, which a cross-sensor protocol needs as reference; "
            "add it, or use a protocol of the other kind, such as wald_x8"
        )
    lst: Raster = BandSource(str(scene.lst))
    path = str(scene.reference)
    grid, coarse = read_lst(BandSource(str(scene.lst)))
    if scene.clear is not None:
        coarse[_read_clear(scene.clear, grid) != 1] = np.nan
        lst = ArrayRaster.of(scene.name, coarse, grid)
    here, values = read_lst(BandSource(path))
    truth, coarse_truth = (
        bring_reference(values, here, there, least_covered=protocol.least_covered, path=path)
        for there in (grid.refine(protocol.scale), grid)
    )
    both = np.isfinite(coarse) & np.isfinite(coarse_truth)
    agreement = correlation(coarse[both].astype(float), coarse_truth[both].astype(float))
    guides = scene.without(protocol.not_guides).guide_sources
    return Case(scene.name, lst, guides, protocol.scale, coarse, _known(truth, coarse), agreement)


def patch_case(patches: PatchSource, index: int) -> Case:
    """Convert a patch, which may have no position on Earth, to rasters at a placeholder position.

    Args:
        patches: Where it is from.
        index: Its number there.
    """
    patch, scale, bands = patches.read(index), patches.scale, patches.bands
    coarse = Grid(*_PLACEHOLDER, *patch.lst.shape)
    lst = ArrayRaster.of("lst", patch.lst, coarse)
    guides = [ArrayRaster.of("guide", patch.guide, coarse.refine(scale), bands)] if bands else []
    truth, origin = _known(patch.truth, patch.lst), patches.origin(index)
    case = Case(patch.name, lst, guides, scale, patch.lst, truth, origin=origin)
    return case if origin else replace(case, fitted_to="patch")


def _known(truth: NDArray[np.float32], coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set the truth to NaN where there is no coarse LST."""
    scale = truth.shape[0] // coarse.shape[0]
    gaps = np.isnan(coarse).repeat(scale, axis=0).repeat(scale, axis=1)
    return np.where(gaps, np.float32(np.nan), truth)


def _read_clear(path: Path, grid: Grid) -> NDArray[np.float32]:
    clear = GuideSource(BandSource(str(path)), grid, "nearest")
    try:
        values: NDArray[np.float32] = clear.read(slice(0, grid.height), slice(0, grid.width))[0]
        return values
    finally:
        clear.close()
