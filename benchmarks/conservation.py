"""Whether coarse means are kept, and whether the coarse grid shows in the result.

``python benchmarks/conservation.py SCENES [--method NAME] [--scales 4 8]`` prints for each scene
under Wald's protocol the largest coarse-mean error in kelvin, and the mean step between fine pixels
across coarse borders over that just beside the borders (more than 1: edges show) and over that
everywhere inside (a smooth interpolation alone has its steepest slopes at the borders).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from real_scenes import wald_cases

from groklst_cli.geo.conserve import block_means
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request


def border_ratios(fine: np.ndarray, scale: int) -> tuple[float, float]:
    """Compare steps across coarse borders with those beside them and all inside, both ways."""
    across, beside, inside = [], [], []
    for values in (fine, fine.T):
        steps = np.abs(np.diff(values, axis=1))
        phase = np.arange(steps.shape[1]) % scale
        across.append(steps[:, phase == scale - 1].ravel())
        beside.append(steps[:, (phase == 0) | (phase == scale - 2)].ravel())
        inside.append(steps[:, phase != scale - 1].ravel())
    means = [float(np.nanmean(np.concatenate(part))) for part in (across, beside, inside)]
    return means[0] / means[1], means[0] / means[2]


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
                Request(
                    case.lst,
                    output,
                    case.guides,
                    scale=case.scale,
                    model=options.method,
                    overwrite=True,
                )
            )
            with rasterio.open(output) as result:
                fine = result.read(1)
            error = float(np.nanmax(np.abs(block_means(fine, case.scale) - case.coarse)))
            rows.append((error, *border_ratios(fine, case.scale)))
            error, beside, inside = rows[-1]
            print(
                f"x{case.scale} {case.name:26s} {error:.5f} K {beside:.3f} {inside:.3f}", flush=True
            )
    worst = np.max(rows, axis=0)
    print(
        f"{options.method}: largest error {worst[0]:.5f} K, largest ratio {worst[1]:.3f} beside, "
        f"{worst[2]:.3f} inside"
    )


if __name__ == "__main__":
    main()
