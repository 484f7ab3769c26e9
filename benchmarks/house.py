"""What a run takes besides its network: reading, warping, blending, conserving, hashing, writing.

``python benchmarks/house.py [--side N] [--guides N] [--rounds N]`` runs ``downscale`` with a
network that costs nothing (it raises the LST to nearest neighbours), with guides on the LST's grid
and in degrees, on two cores and on one. It prints output megapixels a second and the processor's
time a megapixel: the best of some rounds, which take turns. Bars: 10 Mpx/s with guides on the LST's
grid, 6.5 in degrees, and 1.7 times one core's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from gpu_scenes import move_guides
from made_scenes import BANDS, SCALE, make_checkpoint, make_scene
from torch import Tensor, nn

from groklst_cli.geo.band_source import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict import ready
from groklst_models.checkpoint import load
from groklst_models.network_method import NetworkMethod

GRIDS = {"the LST's grid": "plain", "a grid in degrees": "moved"}
BARS = {"the LST's grid": 10.0, "a grid in degrees": 6.5}


class Free(nn.Module):
    """Answers with the coarse value, whatever the guides hold."""

    def forward(self, lst: Tensor, guide: Tensor) -> Tensor:
        """Return ``(B, 1, s·h, s·w)``."""
        return lst.repeat_interleave(SCALE, -1).repeat_interleave(SCALE, -2)


def request_of(folder: Path, bands: tuple[str, ...]) -> Request:
    """Ask for a scene with a model of these bands, four tiles at a time, as on a GPU."""
    return Request(
        BandSource(str(folder / "lst.tif")),
        folder / "out.tif",
        [BandSource(str(folder / f"{band}.tif")) for band in bands],
        scale=SCALE,
        model=str(folder / "network"),
        device="cpu",
        batch=4,
        tile=512,
        overlap=64,
        conserve="kelvin",
        overwrite=True,
    )


def make(folder: Path, side: int, bands: tuple[str, ...], *, moved: bool) -> None:
    """Write a scene and a checkpoint."""
    folder.mkdir()
    make_scene(folder, side, side)
    make_checkpoint(folder / "network", width=8, stages=1, blocks=1, tile=512, bands=bands)
    if moved:
        move_guides(request_of(folder, bands))


def measure(folder: Path, bands: tuple[str, ...]) -> dict[str, float]:
    """Run in this process, on the cores that are its own."""
    normalization = load(folder / "network").header.normalization
    cpu = torch.device("cpu")
    ready.fit_or_load = lambda *given, **named: NetworkMethod(
        Free(), normalization, scale=SCALE, bands=bands, device=cpu
    )
    worked = time.process_time()
    result = downscale(request_of(folder, bands))
    return {"seconds": result.seconds, "processor": time.process_time() - worked}


def elsewhere(folder: Path, bands: tuple[str, ...], cores: list[int]) -> dict[str, float]:
    """Measure in a process of its own, on some cores."""
    command = [sys.executable, __file__, "--folder", str(folder), "--guides", str(len(bands))]
    done = subprocess.run(
        [*command, "--cores", *map(str, cores)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all, print the best of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--guides", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cores", type=int, nargs="+")
    asked = parser.parse_args()
    bands = BANDS[: asked.guides]
    if asked.folder is not None:
        os.sched_setaffinity(0, asked.cores)
        torch.set_num_threads(len(asked.cores))
        print(json.dumps(measure(asked.folder, bands)))
        return
    own, megapixels = sorted(os.sched_getaffinity(0))[:2], asked.side**2 / 1e6
    with tempfile.TemporaryDirectory() as name:
        for grid, kind in GRIDS.items():
            make(Path(name) / kind, asked.side, bands, moved=kind == "moved")
            runs: dict[int, list[dict[str, float]]] = {1: [], len(own): []}
            for _ in range(asked.rounds):
                for count, found in runs.items():
                    found.append(elsewhere(Path(name) / kind, bands, own[:count]))
            speed = {n: megapixels / min(r["seconds"] for r in found) for n, found in runs.items()}
            for count, found in runs.items():
                processor = 1000 * min(run["processor"] for run in found) / megapixels
                print(
                    f"guides on {grid}, {count} core{'s' * (count > 1)}: {speed[count]:.1f} Mpx/s, "
                    f"{processor:.0f} ms of processor time a Mpx"
                )
            both = speed[len(own)]
            print(f"{both / speed[1]:.2f} times one core's; bar {BARS[grid]:g} Mpx/s", flush=True)


if __name__ == "__main__":
    main()
