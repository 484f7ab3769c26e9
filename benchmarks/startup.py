"""Processor time until a command has answered, against torch's own import.

``python benchmarks/startup.py [--repeats 7]`` runs each command in a process of its own, in turns
with a bare ``import torch``, and prints the median of user and system time, its ratio to that
import, and whether it keeps to its bar. Bars are seconds of a machine that is free; elsewhere, or
beside other work, the ratios tell more. Bytecode is there, as where groklst was installed. It ends
with 1 if a bar is missed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from made_scenes import BANDS, FINE, make_scene, write

HERE = Path(__file__).resolve().parents[1]
LIGHT = 0.45
"""Seconds that help, a list, an explanation and an error may take."""

WORK = 0.5
"""Seconds that a scene of 64² pixels may take beyond torch's own import."""

FILES = 200
A_FILE = 0.01
"""Seconds that a file of many may take beyond the start."""


@dataclass(frozen=True)
class Bar:
    """A command and the seconds that it may take."""

    name: str
    words: Sequence[str]
    seconds: float = LIGHT
    beside_torch: bool = False

    def most(self, torch: float) -> float:
        """Return the most seconds, where torch's own import takes so many."""
        return self.seconds + (torch if self.beside_torch else 0.0)


def bars(folder: Path) -> list[Bar]:
    """List the commands."""
    guides = [word for band in BANDS for word in ("-g", f"{band}.tif")]
    light = (
        ["--version"], ["--help"], ["downscale", "--help"], ["models"], ["models", "mocolsk"],
        ["info", "lst.tif"], ["downscale", "absent.tif"], ["downscale", "lst.tif", "-m", "nothing"],
        ["train", "--set", "batch=0"], ["train", "--data", "absent"],
        ["evaluate", "--data", "absent", "-m", "ridge"],
    )  # fmt: skip
    work = [
        Bar(
            f"downscale -m {method}, 64²",
            ["downscale", "lst.tif", f"{method}.tif", *guides, "-m", method, "-q", "--overwrite"],
            WORK,
            beside_torch=True,
        )
        for method in ("bicubic", "ridge")
    ]
    many = [f"file_{number}.tif" for number in range(FILES)]
    for name in many:
        write(folder / name, np.zeros((64, 64), np.float32) + 300, FINE)
    return [
        *(Bar(" ".join(words), words) for words in light),
        Bar(f"info of {FILES} files", ["info", *many], LIGHT + FILES * A_FILE),
        *work,
    ]


def seconds(arguments: Sequence[str], folder: Path) -> float:
    """Run Python in a process of its own; return its processor time."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE / "models")])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run everything in turns, print a line a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, 64, 64)
        asked = bars(folder)
        torch: list[float] = []
        found: dict[str, list[float]] = {bar.name: [] for bar in asked}
        for _ in range(options.repeats):
            torch.append(seconds(["-c", "import torch"], folder))
            for bar in asked:
                found[bar.name].append(seconds(["-m", "groklst_cli", *bar.words], folder))
    alone = statistics.median(torch)
    print(f"{'import torch':<42} {alone:6.2f} s")
    missed = 0
    for bar in asked:
        took, most = statistics.median(found[bar.name]), bar.most(alone)
        missed += took > most
        said = "kept" if took <= most else "MISSED"
        print(f"{bar.name:<42} {took:6.2f} s, ratio {took / alone:5.2f}; bar {most:5.2f} s: {said}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
