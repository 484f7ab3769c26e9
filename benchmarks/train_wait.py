"""Share of a training run's wall time that goes into forward, backward and step.

Trains a small network on a synthetic folder in the GrokLST dataset's format, with reading in worker
processes, and prints for each part of the run how much of the time no sample was ready. The first
part, in which the workers start, is left out of the mean.

Run: python benchmarks/train_wait.py [--width 16] [--stages 2] [--workers 2] [--steps 60]
"""

import argparse
import csv
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.io

from groklst_cli.data.groklst_dataset import BANDS, FINE, RESOLUTIONS
from groklst_cli.pipeline.train.fit import fit
from groklst_cli.pipeline.train.options import TrainOptions

BAR = 0.9
PATCHES = 12
SIDE = 512  # fine pixels, as in the dataset


def write_dataset(folder: Path, *, side: int = SIDE, scale: int = 4) -> None:
    """Write noise in the dataset's format; what is read costs the same as real values."""
    generator = np.random.default_rng(0)
    for number in range(PATCHES):
        name = f"{number:03d}.mat"
        for resolution, size in ((FINE, side), (RESOLUTIONS[scale], side // scale)):
            for kind in ("lst", "guidance"):
                (folder / resolution / kind).mkdir(parents=True, exist_ok=True)
            lst = generator.normal(290, 5, (size, size)).astype(np.float32)
            scipy.io.savemat(folder / resolution / "lst" / name, {"data": lst})
        planes = generator.random((len(BANDS), side, side)).astype(np.float32)
        fields = dict(zip(BANDS, planes, strict=True))
        scipy.io.savemat(folder / FINE / "guidance" / name, fields)
    (folder / "split").mkdir()
    (folder / "split" / "train.txt").write_text("".join(f"{i}\n" for i in range(PATCHES)))
    (folder / "split" / "val.txt").write_text("0\n")


def main() -> None:
    """Train, read the log, print the share."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 16), ("stages", 2), ("workers", 2), ("steps", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "set", Path(scratch) / "run"
        write_dataset(folder)
        options = TrainOptions(
            data=str(folder),
            out=str(out),
            scale=4,
            arguments={"width": asked.width, "stages": asked.stages, "blocks": 1},
            crop=asked.crop,
            augment=True,
            batch=1,
            steps=asked.steps,
            workers=asked.workers,
            device=asked.device,
            log_every=max(1, asked.steps // 6),
            validate_every=asked.steps,
            save_every=asked.steps,
            picture_every=0,
        )
        fit(options, note=lambda text: print(text, file=sys.stderr))
        with open(out / "log.csv", newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if row["loss"]]
    for row in rows:
        print(f"to step {row['step']}: {float(row['steps_per_second']):.2f} steps/s, ", end="")
        print(f"no sample ready {float(row['wait']):.1%} of the time")
    share = 1 - float(np.mean([float(row["wait"]) for row in rows[1:]]))
    print(f"forward, backward and step: {share:.1%} of wall time (bar {BAR:.0%})")
    sys.exit(share < BAR)


if __name__ == "__main__":
    main()
