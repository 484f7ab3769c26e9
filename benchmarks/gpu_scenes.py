"""Whole runs of ``downscale`` on a GPU: their time, their bits, and too little memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
import torch
from gpu_setting import GIB, Setting
from made_scenes import BANDS, SCALE, make_checkpoint, make_scene
from rasterio.transform import from_bounds
from rasterio.warp import transform_bounds

from groklst_cli.errors import GroklstError
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.pixel_hash import PIXELS_TAG
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.checkpoint import load

BATCH = 4
ROOM = 2 * GIB
"""Of the device's memory, for the runs that are to want more."""


@contextmanager
def scene(setting: Setting, side: int, network: str = "mocolsk") -> Iterator[Request]:
    """Make a scene of six guides and a network with random weights, and ask for it."""
    setting.begin()
    with TemporaryDirectory() as name:
        folder, arguments = Path(name), setting.arguments_of(network)
        make_scene(folder, side, side)
        make_checkpoint(folder / "network", network, tile=setting.tile, **arguments)
        yield Request(
            BandSource(str(folder / "lst.tif")),
            folder / "out.tif",
            [BandSource(str(folder / f"{band}.tif")) for band in BANDS],
            scale=SCALE,
            model=str(folder / "network"),
            device=setting.device,
            overwrite=True,
        )


def end_to_end(setting: Setting) -> Iterator[dict[str, Any]]:
    """Compare whole runs with bare passes over as many tiles."""
    yield from whole_runs(setting, "mocolsk", 128 if setting.tiny else 4096)
    yield from whole_runs(setting, "pgdm", 128 if setting.tiny else 1024)


def whole_runs(setting: Setting, network: str, side: int) -> Iterator[dict[str, Any]]:
    """Run one network in both precisions, then once with guides that have to be warped."""
    with scene(setting, side, network) as request:
        for grid, precision in (("the LST's", "bf16"), ("the LST's", "fp32"), ("another", "bf16")):
            told = {"network": network, "guides' CRS": grid, "precision": precision}
            wished = replace(request, precision=precision)
            if grid == "another":
                move_guides(request)
            try:
                bare = bare_pass(wished, setting)
                yield {**told, **whole_run(wished, setting, side, bare)}
            except Exception as error:  # whatever it is, it is what was to be found out
                yield {**told, "error": f"{type(error).__name__}: {error}"[:300]}


def whole_run(request: Request, setting: Setting, side: int, bare: float) -> dict[str, Any]:
    """Run once and say where the time went; ``bare`` is seconds a tile."""
    _, expected = plan_downscale(request)
    setting.forget_peak()
    watch, worked = Watch(), time.process_time()
    result = downscale(request, note=watch.hear, progress=watch.see)
    return {
        "s": result.seconds,
        "s expected": expected.seconds,
        "processor s": time.process_time() - worked,
        "s before tiles": watch.first - watch.began,
        "s after tiles": time.monotonic() - watch.last,
        "tiles": result.tiles,
        "bare s": bare * result.tiles,
        "ratio": result.seconds / (bare * result.tiles),
        "Mpx/s": side**2 / result.seconds / 1e6,
        "peak GiB": setting.peak(),
        "notes": "; ".join(line for line in watch.heard if "batch" in line or "left" in line),
    }


@dataclass
class Watch:
    """When a run began, had its first word of tiles, and its last."""

    began: float = field(default_factory=time.monotonic)
    first: float = 0.0
    last: float = 0.0
    heard: list[str] = field(default_factory=list)

    def see(self, done: int, total: int) -> None:
        """Note when tiles were counted."""
        self.last = time.monotonic()
        self.first = self.first or self.last

    def hear(self, line: str) -> None:
        """Keep what was said."""
        self.heard.append(line)


def bare_pass(request: Request, setting: Setting) -> float:
    """Time the network alone, in the precision that is asked for; seconds a tile."""
    device = torch.device(setting.device)
    network = load(Path(request.model)).load_network().to(device).eval()
    batch = 1 if setting.tiny else BATCH
    lst = torch.randn(batch, 1, setting.tile // SCALE, setting.tile // SCALE, device=device)
    guide = torch.randn(batch, len(BANDS), setting.tile, setting.tile, device=device)
    count = 1 if setting.tiny else 5
    rounded = request.precision != "fp32"
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, rounded):
        for repeats in (2, count):  # the first ones warm it up
            setting.wait()
            began = time.perf_counter()
            for _ in range(repeats):
                network(lst, guide)
            setting.wait()
    return (time.perf_counter() - began) / (count * batch)


def move_guides(request: Request) -> None:
    """Say that the guides lie in degrees; what is in them does not matter here."""
    for guide in request.guides:
        with rasterio.open(guide.path, "r+") as raster:
            bounds = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
            raster.crs = "EPSG:4326"
            raster.transform = from_bounds(*bounds, raster.width, raster.height)


def same_bits(setting: Setting) -> Iterator[dict[str, Any]]:
    """Ask for the same several times, in one process and in two that share the device."""
    with scene(setting, 128 if setting.tiny else 1024) as request:
        runs: list[tuple[str, Callable[[], Request]]] = [
            ("batch 2", lambda: replace(request, batch=2)),
            ("batch 2 again", lambda: replace(request, batch=2)),
            ("batch auto", lambda: request),
            ("batch auto again", lambda: request),
            ("batch 2, fp32", lambda: replace(request, batch=2, precision="fp32")),
            ("batch 2, fp32 again", lambda: replace(request, batch=2, precision="fp32")),
            ("batch 2, two processes", lambda: replace(request, batch=2, workers=2)),
        ]
        found: dict[str, np.ndarray] = {}
        for name, made in runs:
            setting.forget_peak()
            result = downscale(made())
            with rasterio.open(result.output) as raster:
                found[name], digest = raster.read(1).astype(float), raster.tags()[PIXELS_TAG]
            off = np.nanmax(np.abs(found[name] - found["batch 2"]))
            yield {"run": name, "pixels": digest[:12], "largest K": float(off), "s": result.seconds}


def out_of_memory(setting: Setting) -> Iterator[dict[str, Any]]:
    """Leave a run less memory than it wants, and see what it says."""
    if setting.on_cuda:
        _, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction(ROOM / total)
    with scene(setting, 128 if setting.tiny else 2048) as request:
        for batch in (64, "auto", 1):
            setting.forget_peak()
            watch = Watch()
            try:
                outcome = (
                    f"done, {downscale(replace(request, batch=batch), note=watch.hear).tiles} tiles"
                )
            except GroklstError as error:
                outcome = f"exit code {error.exit_code}: {error}"
            except Exception as error:  # this is what must not be
                outcome = f"{type(error).__name__}: {error}"[:300]
            said = "; ".join(line for line in watch.heard if "batch" in line)
            yield {"batch": batch, "outcome": outcome, "notes": said, "peak GiB": setting.peak()}
