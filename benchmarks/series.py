"""Twelve small scenes by another checkout over the same by this one, taken in turns.

``python benchmarks/series.py --before CHECKOUT [--scenes N] [--side N] [--model M] [--jobs N]
[--repeats N]`` runs ``groklst downscale`` on one list of scenes with both, each a whole command
from its start to its end, and prints the median ratio of their wall times. Without ``--before``
the other is this checkout with ``-j 1``, which makes one scene after another. Results must be
identical.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from made_scenes import BANDS, make_scene

HERE = Path(__file__).resolve().parents[1]


def make_list(folder: Path, count: int, side: int) -> None:
    """Write scenes and the list of them."""
    rows = []
    for number in range(count):
        scene = folder / f"scene_{number}"
        scene.mkdir()
        make_scene(scene, side, side)
        guides = [f"{scene.name}/{band}.tif" for band in BANDS]
        lst, output = f"{scene.name}/lst.tif", f"fine_{number}.tif"
        rows.append({"lst": lst, "output": output, "guide": guides})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "list.jsonl").write_text(lines, encoding="utf-8")


def seconds(checkout: Path, folder: Path, model: str, jobs: int) -> float:
    """Run the list in a process of its own."""
    command = [
        *(sys.executable, "-m", "groklst_cli", "downscale", "--batch-file"),
        *(str(folder / "list.jsonl"), "-s", "8", "-m", model, "-d", "cpu", "-q", "--overwrite"),
        *("-j", str(jobs)),
    ]
    path = os.pathsep.join([str(checkout), str(checkout / "models")])
    began = time.monotonic()
    subprocess.run(
        command,
        check=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def results(folder: Path) -> list[np.ndarray]:
    """Read what was made."""
    found = []
    for path in sorted(folder.glob("fine_*.tif")):
        with rasterio.open(path) as raster:
            found.append(raster.read(1))
    return found


def main() -> None:
    """Run both in turns, compare, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--side", type=int, default=512, help="fine pixels along a scene")
    parser.add_argument("--model", default="ridge")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    before, jobs_before = options.before or HERE, options.jobs if options.before else 1
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_list(folder, options.scenes, options.side)
        for _ in range(options.repeats):
            first = seconds(before.resolve(), folder, options.model, jobs_before)
            expected = results(folder)
            second = seconds(HERE, folder, options.model, options.jobs)
            same = all(map(np.array_equal, expected, results(folder)))
            ratios.append(first / second)
            print(
                f"{first:.1f} s, {second:.1f} s: ratio {ratios[-1]:.2f}; identical: {same}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
