"""One worker with one thread over two workers, for a run that is bound by its network.

``python benchmarks/workers.py [--side N] [--width N]`` runs the same scene with ``--workers 1
-j 1`` and with ``--workers 2 -j 2`` and prints the ratio of their wall times; results must be
identical.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from made_scenes import command, make_checkpoint, make_scene


def main() -> None:
    """Run both, compare, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1792)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    seconds, results = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, options.side, options.side)
        make_checkpoint(folder / "network", width=options.width, stages=2, blocks=1)
        for workers in (1, 2):
            flags = ("--workers", workers, "-j", workers, "--overwrite")
            began = time.monotonic()
            subprocess.run(command(folder, folder / "network", *flags), check=True)
            seconds.append(time.monotonic() - began)
            with rasterio.open(folder / "out.tif") as result:
                results.append(result.read(1))
            print(f"{workers} worker(s): {seconds[-1]:.1f} s", flush=True)
    same = np.array_equal(*results, equal_nan=True)
    print(f"ratio {seconds[0] / seconds[1]:.2f}; identical: {same}")


if __name__ == "__main__":
    main()
