"""What clouds cost: the RMSE on what is shown under ``--mask`` over that of the cloud-free scene.

``python benchmarks/clouds.py [--methods bicubic ridge …] [--seeds 3]`` makes synthetic scenes of
60 × 60 coarse pixels at ×4, a quarter to 30 % of which lie under clouds, and gives each method
three kinds of coarse values at the clouds' edges: means of land and cloud, means of the clear part
alone, and means of the whole land. It prints the smallest and the largest ratio of each method and
kind.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from made_scenes import write
from scipy.ndimage import gaussian_filter

from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.geo.opening import open_raster
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request

SCALE = 4
COARSE = 60
SIDE = COARSE * SCALE
FINE = Affine(60, 0, 500000, 0, -60, 4400000)
KINDS = ("land and cloud", "clear part", "whole land")
METHODS = (
    "bicubic", "ridge", "quadratic", "local", "best", "random-forest", "guided-filter", "dms",
)  # fmt: skip


@dataclass(frozen=True)
class Cloudy:
    """A scene on disk: its truth, kelvin, and where it is clear."""

    truth: np.ndarray
    clear: np.ndarray
    folder: Path

    @classmethod
    def make(cls, folder: Path, seed: int) -> "Cloudy":
        """Write a scene with clouds, the same without, and its guides."""
        rng = np.random.default_rng(seed)
        bands = [_field(length, rng) for length in (2, 5, 12)]
        own = 0.8 * _field(8, rng) + 0.4 * _field(1, rng)
        truth = 300 + 3 * bands[0] + 2 * bands[1] - bands[2] + own
        shape = _field(25, rng)
        clear = shape < np.quantile(shape, rng.uniform(0.70, 0.75))
        cloudy = np.where(clear, truth, truth - 25 - 4 * _field(10, rng))
        area = _means(clear.astype(float))
        kept = np.where(
            area > 0, _means(np.where(clear, truth, 0)) / np.maximum(area, 1e-9), np.nan
        )
        north = FINE * Affine.scale(SCALE)
        for kind, values in zip(KINDS, (_means(cloudy), kept, _means(truth)), strict=True):
            write(folder / f"{kind}.tif", values.astype(np.float32), north)
        for number, band in enumerate(bands):
            write(folder / f"guide{number}.tif", band.astype(np.float32), FINE)
        write(folder / "clear.tif", clear.astype(np.uint8), FINE)
        return cls(truth, clear, folder)

    def errors(self, method: str, kind: str, *, masked: bool) -> np.ndarray:
        """Downscale and compare with the truth, kelvin; what is not shown is NaN."""
        output = self.folder / "out.tif"
        mask = (MaskFile.parse(str(self.folder / "clear.tif")),) if masked else ()
        guides = tuple(BandSource(str(path)) for path in sorted(self.folder.glob("guide*.tif")))
        request = Request(
            BandSource(str(self.folder / f"{kind}.tif")), output, guides, masks=Masks(mask),
            scale=SCALE, model=method, device="cpu", lst_units="K", overwrite=True,
        )  # fmt: skip
        downscale(request)
        with gdal_environment(), open_raster(str(output)) as raster:
            return np.asarray(raster.read(1)) - self.truth


def _field(length: float, rng: np.random.Generator) -> np.ndarray:
    made = gaussian_filter(rng.normal(size=(SIDE, SIDE)), length, mode="wrap")
    return np.asarray(made / made.std())


def _means(fine: np.ndarray) -> np.ndarray:
    return np.asarray(fine.reshape(COARSE, SCALE, COARSE, SCALE).mean(axis=(1, 3)))


def ratios(method: str, seeds: int) -> Iterator[tuple[str, float]]:
    """Give each kind's ratio on each scene."""
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            scene = Cloudy.make(Path(folder), seed)
            free = scene.errors(method, "whole land", masked=False)
            for kind in KINDS:
                errors = scene.errors(method, kind, masked=True)
                shown = np.isfinite(errors)
                yield kind, float(np.sqrt(np.mean(errors[shown] ** 2) / np.mean(free[shown] ** 2)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    print("method".ljust(16), *(kind.ljust(16) for kind in KINDS))
    for method in asked.methods:
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for kind, ratio in ratios(method, asked.seeds):
            found[kind].append(ratio)
        cells = (f"{min(some):.2f} to {max(some):.2f}".ljust(16) for some in found.values())
        print(method.ljust(16), *cells, flush=True)


if __name__ == "__main__":
    main()
