"""Whether coarse means are kept, and whether the coarse grid shows in the result.

``python benchmarks/conservation.py SCENES [--method NAME] [--scales 4 8]`` prints for each scene
under Wald's protocol the largest coarse-mean error in kelvin, and the mean step between fine pixels
across coarse borders over that inside (1 or less: the borders do not show).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from real_scenes import wald_cases

from groklst_cli.geo.conserve import block_means
from groklst_cli.pipeline.downscale import Request, downscale


def border_ratio(fine: np.ndarray, scale: int) -> float:
    """Compare steps across coarse borders with steps inside, along rows and columns."""
    across, inside = [], []
    for values in (fine, fine.T):
        steps = np.abs(np.diff(values, axis=1))
        border = np.arange(steps.shape[1]) % scale == scale - 1
        across.append(steps[:, border])
        inside.append(steps[:, ~border])
    means = [np.nanmean(np.concatenate([a.ravel() for a in part])) for part in (across, inside)]
    return float(means[0] / means[1])


def main() -> None:
    """Print a row a scene, and the worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8])
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "fine.tif"
        for case in wald_cases(options.scenes, options.scales, Path(name)):
            downscale(
                Request(case.lst, output, case.guides, case.scale, options.method, overwrite=True)
            )
            with rasterio.open(output) as result:
                fine = result.read(1)
            error = float(np.nanmax(np.abs(block_means(fine, case.scale) - case.coarse)))
            rows.append((error, border_ratio(fine, case.scale)))
            print(
                f"x{case.scale} {case.name:28s} {rows[-1][0]:.5f} K {rows[-1][1]:.3f}", flush=True
            )
    worst = np.max(rows, axis=0)
    print(f"{options.method}: largest error {worst[0]:.5f} K, largest border ratio {worst[1]:.3f}")


if __name__ == "__main__":
    main()
