"""Runs that are killed at random moments and gone on with: every result has to be the same.

``python benchmarks/kills.py [--kills N] [--model NAME]`` runs a scene once without a break, then
kills N runs with SIGKILL at random moments, some of them more than once, resumes each, and counts
the results whose pixels are the uninterrupted run's.
"""

import argparse
import random
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from made_scenes import command, make_checkpoint, make_scene


def pixels(folder: Path) -> np.ndarray:
    """Read the result."""
    with rasterio.open(folder / "out.tif") as result:
        values: np.ndarray = result.read(1)
    return values


def killed(arguments: list[str], after: float) -> bool:
    """Start a run and kill it; tell whether it was still running."""
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    try:
        code = running.wait(after)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
        return True
    if code:
        raise SystemExit(f"{' '.join(arguments)} ended with {code}")
    return False


def main() -> None:
    """Run, kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", default="network")
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, options.side, options.side)
        make_checkpoint(folder / "network", width=8, stages=2, blocks=1, tile=128)
        model = folder / "network" if options.model == "network" else options.model
        began = time.monotonic()
        subprocess.run(command(folder, model), check=True, stdout=subprocess.DEVNULL)
        whole = time.monotonic() - began
        expected = pixels(folder)
        same = runs = kills = 0
        while kills < options.kills:
            (folder / "out.tif").unlink()
            resumed = command(folder, model, "--resume")
            while killed(resumed, draw.uniform(0.2, 1.0) * whole):
                kills += 1
                if draw.random() < 0.6:
                    subprocess.run(resumed, check=True, stdout=subprocess.DEVNULL)
                    break
            left = sorted(path.name for path in folder.glob(".*"))
            assert not left, f"left over: {left}"
            same += np.array_equal(pixels(folder), expected, equal_nan=True)
            runs += 1
            print(f"{kills} kills, {same} of {runs} results identical", flush=True)
    print(f"an uninterrupted run takes {whole:.1f} s")
    raise SystemExit(same != runs)


if __name__ == "__main__":
    main()
