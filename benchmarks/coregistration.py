"""Shifts put in by hand on real scenes, and how nearly they are found.

``python benchmarks/coregistration.py SCENES [--scales 4 8] [--shifts N]`` misplaces each scene's
guides by random shifts of 0.1 to 0.9 coarse pixels along both axes and prints the error of each
estimate against the scene's own (real guides lie a little off themselves), the share found within
a tenth of a coarse pixel, and how often guides were left farther off than they were.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from real_scenes import wald_cases

from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.evaluate.cases import Case
from groklst_cli.pipeline.predict.view import FileView
from groklst_models.coregistration import Shift, estimate_shift


def estimate(case: Case, columns: float, rows: float) -> Shift:
    """Misplace a case's guides by coarse pixels and estimate their shift."""
    with gdal_environment(), Scene(case.lst, case.guides, case.scale) as scene:
        for guide in scene.guides:
            guide.move(-columns * scene.scale, -rows * scene.scale)
        return estimate_shift(FileView(scene))


def main() -> None:
    """Print a row an estimate, and the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--shifts", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    found = worse = count = 0
    with tempfile.TemporaryDirectory() as name:
        for case in wald_cases(options.scenes, options.scales, Path(name)):
            own = estimate(case, 0, 0)
            for _ in range(options.shifts):
                columns, rows = rng.uniform(0.1, 0.9, 2) * rng.choice([-1, 1], 2)
                shift = estimate(case, columns, rows)
                off = max(
                    abs(shift.columns - own.columns - columns), abs(shift.rows - own.rows - rows)
                )
                count += 1
                found += off <= 0.1
                worse += shift.trusted and off > max(abs(columns), abs(rows))
                print(
                    f"x{case.scale} {case.name:28s} put {columns:+.2f},{rows:+.2f} found {shift} "
                    f"off {off:.3f}{'' if shift.trusted else ' (not trusted)'}",
                    flush=True,
                )
    print(f"within 0.1: {found} of {count}; made worse: {worse}")


if __name__ == "__main__":
    main()
