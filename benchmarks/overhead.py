"""A whole run over the sum of its parts that cannot be saved: forward passes and compressing.

``python benchmarks/overhead.py [--side N] [--width N]`` runs a cheap network (two convolutions
over the LST and six guide bands) over a scene and prints the split. Forward passes are timed
inside the run; compressing is GDAL making the same COG from the finished rows, timed by itself.
"""

import argparse
import tempfile
import time
from pathlib import Path

import rasterio
import rasterio.shutil
import torch
from made_scenes import BANDS, SCALE, make_scene
from torch import nn
from torch.nn import functional

from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.writer import OutputFormat, ResultFile
from groklst_cli.pipeline.downscale import one_scene as pipeline
from groklst_models.contract import Tiles
from groklst_models.network_method import NetworkMethod
from groklst_models.normalization import BandStatistics, Normalization


class Cheap(nn.Module):
    """Two convolutions at fine resolution over the interpolated LST and the guides."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1 + len(BANDS), width, 3, padding=1)
        self.second = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, lst: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """Return ``(B, 1, s·h, s·w)``."""
        raised = functional.interpolate(lst, scale_factor=SCALE, mode="bilinear")
        return raised + self.second(torch.relu(self.first(torch.cat([raised, guide], dim=1))))


class Timed(NetworkMethod):
    """Adds up the seconds spent in predictions."""

    seconds = 0.0

    def predict(self, tiles: Tiles) -> torch.Tensor:
        """Predict, and look at the clock."""
        began = time.perf_counter()
        fine = super().predict(tiles)
        self.seconds += time.perf_counter() - began
        return fine


def cheap_method(width: int) -> Timed:
    """Make the network with random weights; its speed does not depend on them."""
    statistics = Normalization(300, 5, tuple(BandStatistics(b, 0.3, 0.1) for b in BANDS))
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    return Timed(Cheap(width), statistics, scale=SCALE, bands=BANDS, device=cpu)


def seconds_compressing(finished: Path, folder: Path) -> float:
    """Make the same COG again from rows already there."""
    with rasterio.open(finished) as raster:
        rows = raster.read(1)
        grid = Grid(raster.crs, raster.transform, *raster.shape)
    began = time.perf_counter()
    with ResultFile(folder / "again.tif", grid, OutputFormat(), overwrite=False) as result:
        result.write(0, rows)
    return time.perf_counter() - began


def main() -> None:
    """Run once to warm up, once to measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    method = cheap_method(options.width)
    pipeline.prepare = lambda *given, **named: method
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, options.side, options.side)
        request = pipeline.Request(
            BandSource(str(folder / "lst.tif")), folder / "out.tif",
            [BandSource(str(folder / f"{b}.tif")) for b in BANDS],
            model="ridge", conserve="none", tile=512, overlap=64, overwrite=True,
        )  # fmt: skip
        pipeline.downscale(request)
        method.seconds = 0.0
        result = pipeline.downscale(request)
        compressing = seconds_compressing(folder / "out.tif", folder)
    print(f"{options.side}² pixels, {result.tiles} tiles, width {options.width}")
    print(f"whole run {result.seconds:.2f} s")
    print(f"forward passes {method.seconds:.2f} s, compressing {compressing:.2f} s")
    print(f"ratio {result.seconds / (method.seconds + compressing):.3f}")


if __name__ == "__main__":
    main()
