"""What the default method costs on a large scene.

``python benchmarks/default_method.py [--side 4096] [--method auto]`` downscales an output of that
side with six guide bands in a process of its own and prints its time, speed and peak memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from made_scenes import BANDS, make_scene


def main() -> None:
    """Make the scene, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--method", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, options.side, options.side)
        guides = [text for band in BANDS for text in ("--guide", str(folder / f"{band}.tif"))]
        command = [
            sys.executable, "-m", "groklst_cli", "downscale", str(folder / "lst.tif"),
            str(folder / "out.tif"), *guides, "--model", options.method,
        ]  # fmt: skip
        began = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak_mebibytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    print(
        f"{options.method}, {options.side}²: {seconds:.1f} s, "
        f"{options.side**2 / 1e6 / seconds:.2f} Mpx/s, peak {peak_mebibytes:.0f} MiB"
    )


if __name__ == "__main__":
    main()
