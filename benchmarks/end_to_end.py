"""A whole run over bare forward passes of the same tiles, for MoCoLSK-Net.

``python benchmarks/end_to_end.py [--side N] [--width N] [--tile N]`` downscales a scene with six
guides in this process, then runs the same network, loaded the same way, over as many tensors of a
tile's size: one after the other on all threads, and side by side on one thread each. The better of
the two is what the run is compared with; once accelerated as the run is, once as torch does it.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from made_scenes import BANDS, SCALE, make_checkpoint, make_scene

from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.acceleration import accelerate
from groklst_models.checkpoint import load


def bare_seconds(model: Path, tile: int, tiles: int, *, accelerated: bool) -> tuple[float, float]:
    """Time forward passes alone, arranged in the better of two ways: wall and processor time."""
    network = load(model).load_network().eval()
    if accelerated:
        network = accelerate(network, torch.device("cpu"))
    lst = torch.randn(1, 1, tile // SCALE, tile // SCALE)
    guide = torch.randn(1, len(BANDS), tile, tile)

    def forward(_: int) -> None:
        with torch.inference_mode():
            network(lst, guide)

    threads, found = os.cpu_count() or 1, []
    for each, lanes in ((threads, 1), (1, threads)):
        torch.set_num_threads(each)
        with ThreadPoolExecutor(lanes) as pool:
            forward(0)
            began, worked = time.perf_counter(), time.process_time()
            list(pool.map(forward, range(tiles)))
            found.append((time.perf_counter() - began, time.process_time() - worked))
    kind = "accelerated" if accelerated else "as torch does it"
    print(f"bare, {kind}: {found[0][0]:.1f} s on all threads, {found[1][0]:.1f} s side by side")
    return min(found)


def main() -> None:
    """Run, compare, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1536)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--stages", type=int, default=4)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--tile", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_scene(folder, options.side, options.side)
        make_checkpoint(
            folder / "network",
            width=options.width,
            stages=options.stages,
            blocks=options.blocks,
            tile=options.tile,
        )
        request = Request(
            BandSource(str(folder / "lst.tif")),
            folder / "out.tif",
            [BandSource(str(folder / f"{band}.tif")) for band in BANDS],
            scale=SCALE,
            model=str(folder / "network"),
            device="cpu",
        )
        worked = time.process_time()
        result = downscale(request)
        worked = time.process_time() - worked
        print(f"{options.side}² pixels, {result.tiles} tiles: {result.seconds:.1f} s", flush=True)
        for accelerated in (True, False):
            bare = bare_seconds(
                folder / "network", options.tile, result.tiles, accelerated=accelerated
            )
            print(f"ratio {result.seconds / bare[0]:.3f}", end=", ")
            print(f"of processor time {worked / bare[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
