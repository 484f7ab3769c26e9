"""What a guide stack in another CRS costs of a run of MoCoLSK-Net.

``python benchmarks/guide_stack.py [--side N] [--width N]`` runs a scene with ten uint16 bands at a
third of the fine pixel in a geographic CRS, and again with the same bands on the fine grid, and
prints the difference as a share of the first run's wall time.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from made_scenes import FINE, SCALE, make_checkpoint, write
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request

NAMES = tuple(f"b{number}" for number in range(10))


def write_stack(path: Path, crs: CRS, transform: Affine, height: int, width: int) -> None:
    """Write ten bands, compressed as products are."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "count": len(NAMES), "dtype": "uint16", "tiled": True}
    with rasterio.open(
        path, "w", height=height, width=width, crs=crs, transform=transform,
        compress="deflate", **profile,
    ) as raster:  # fmt: skip
        for number, name in enumerate(NAMES, start=1):
            coarse = rng.integers(500, 5000, (height // 4 + 1, width // 4 + 1))
            band = coarse.repeat(4, 0).repeat(4, 1)[:height, :width]
            raster.write((band + rng.integers(0, 50, band.shape)).astype("uint16"), number)
            raster.set_band_description(number, name)


def main() -> None:
    """Run both, print the share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--width", type=int, default=32)
    options = parser.parse_args()
    side, utm, degrees = options.side, CRS.from_epsg(32647), CRS.from_epsg(4326)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lst = np.random.default_rng(1).normal(300, 5, (side // SCALE, side // SCALE))
        write(folder / "lst.tif", lst.astype(np.float32), FINE * Affine.scale(SCALE))
        write_stack(folder / "aligned.tif", utm, FINE, side, side)
        bounds = FINE.c, FINE.f - 30 * side, FINE.c + 30 * side, FINE.f
        west, south, east, north = transform_bounds(utm, degrees, *bounds)
        step = (east - west) / (3 * side)
        rows = int((north - south) / step) + 1
        warped = Affine(step, 0, west, 0, -step, north)
        write_stack(folder / "warped.tif", degrees, warped, rows, 3 * side)
        make_checkpoint(folder / "network", width=options.width, bands=NAMES)
        seconds = {}
        for stack in ("aligned", "warped"):
            request = Request(
                BandSource(str(folder / "lst.tif")),
                folder / f"{stack}_out.tif",
                [BandSource(str(folder / f"{stack}.tif"))],
                scale=SCALE,
                model=str(folder / "network"),
                device="cpu",
            )
            seconds[stack] = downscale(request).seconds
            print(f"{stack}: {seconds[stack]:.1f} s", flush=True)
    share = (seconds["warped"] - seconds["aligned"]) / seconds["warped"]
    print(f"the stack in another CRS costs {100 * share:.1f} % of the run")


if __name__ == "__main__":
    main()
