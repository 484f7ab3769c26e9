"""What the intervals of ``--uncertainty`` hold, where the truth is known.

``python benchmarks/coverage.py SCENES [--method NAME] [--scales 2 4 8]`` downscales the scenes of a
folder under Wald's protocol and prints the share of truth within one standard deviation (68 % is
due) and within 1.96 (95 %).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from real_scenes import wald_cases

from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.evaluate.cases import Case


def shares(case: Case, method: str, work: Path) -> tuple[float, float]:
    """Downscale one case and count what lies inside, per cent."""
    fine, sigma = work / "fine.tif", work / "sigma.tif"
    downscale(
        Request(
            case.lst,
            fine,
            case.guides,
            scale=case.scale,
            model=method,
            uncertainty=sigma,
            overwrite=True,
        )
    )
    with rasterio.open(fine) as result, rasterio.open(sigma) as spread:
        ratio = np.abs(result.read(1) - case.truth) / spread.read(1)
    known = ratio[np.isfinite(ratio)]
    return 100 * float((known < 1).mean()), 100 * float((known < 1.96).mean())


def main() -> None:
    """Print a row a scene and scale, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 4, 8])
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for case in wald_cases(options.scenes, options.scales, Path(name)):
            rows.append(shares(case, options.method, Path(name)))
            print(
                f"x{case.scale} {case.name:28s} {rows[-1][0]:5.1f} {rows[-1][1]:5.1f}", flush=True
            )
    means = np.mean(rows, axis=0)
    print(f"{options.method}: {means[0]:.1f} % in 68 %, {means[1]:.1f} % in 95 %")


if __name__ == "__main__":
    main()
