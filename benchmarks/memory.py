"""Peak memory of a tall scene over that of a square one: it must not grow with the height.

``python benchmarks/memory.py [--method NAME] [--bands N] [--height N]`` downscales two scenes of
4 096 columns, ×8, in processes of their own and prints the ratio of their peak memory (largest
resident set).
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

SCALE, WIDTH = 8, 4096
FINE = Affine(30, 0, 500000, 0, -30, 4400000)


def write_rows(path: Path, height: int, width: int, transform: Affine, low: float, high: float):
    """Write random values, some rows at a time."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "tiled": True}
    with rasterio.open(
        path, "w", height=height, width=width, crs=CRS.from_epsg(32647), transform=transform,
        **profile,
    ) as raster:  # fmt: skip
        for row in range(0, height, 512):
            count = min(512, height - row)
            rows = rng.uniform(low, high, (count, width)).astype(np.float32)
            raster.write(rows, 1, window=Window(0, row, width, count))


def peak_mebibytes(command: list[str]) -> float:
    """Run a command in a process of its own and return its peak memory."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(done.stdout.splitlines()[-1]) / unit


def main() -> None:
    """Make both scenes, run both, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="bicubic")
    parser.add_argument("--bands", type=int, default=1)
    parser.add_argument("--height", type=int, default=16384)
    options = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for height in (WIDTH, options.height):
            coarse = FINE * Affine.scale(SCALE)
            write_rows(folder / "lst.tif", height // SCALE, WIDTH // SCALE, coarse, 280, 320)
            guides: list[str] = []
            for band in range(options.bands):
                path = folder / f"band{band}.tif"
                write_rows(path, height, WIDTH, FINE, 0.05, 0.5)
                guides += ["--guide", str(path)]
            command = [
                sys.executable, "-m", "groklst_cli", "downscale", str(folder / "lst.tif"),
                str(folder / "out.tif"), *guides, "--model", options.method, "-q", "--overwrite",
            ]  # fmt: skip
            peaks.append(peak_mebibytes(command))
            print(f"{height} × {WIDTH}: peak {peaks[-1]:.0f} MiB")
    print(f"{options.method}, {options.bands} band(s): ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
