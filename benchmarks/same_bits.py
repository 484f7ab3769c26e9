"""Whether a change of the code leaves every result's bits as they were.

``python benchmarks/same_bits.py --write before.json`` runs 25 different runs on made scenes
(methods, networks, parts of a scene, several processes, a resumed run, arrays of numpy and of Dask,
uncertainty, evaluation, preparation, training) and writes a hash of each one's pixels, figures or
weights. ``python benchmarks/same_bits.py --against before.json`` runs them again and prints which
differ; the exit code is 1 if one does. Both must be run on one machine.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from affine import Affine
from made_scenes import make_checkpoint
from rasterio.crs import CRS
from safetensors.numpy import load_file

COARSE: Final = Affine(240, 0, 500000, 0, -240, 4400000)
SCALE: Final = 4
HEIGHT, WIDTH = 36, 44
UTM, GEOGRAPHIC = CRS.from_epsg(32633), CRS.from_epsg(4326)
NEAR: Final = Affine(0.0007, 0, 14.98, 0, -0.0006, 39.77)
"""A place for guides in degrees that covers the scene."""

_GUIDES: Final = ("-g", "nir.tif", "-g", "red.tif")
_WARPED: Final = ("-g", "far.tif")


def write(path: Path, values: np.ndarray, transform: Affine, crs: CRS = UTM) -> None:
    """Write bands ``(bands, rows, columns)`` or one band."""
    bands = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2],
        dtype=bands.dtype, crs=crs, transform=transform, nodata=np.nan,
    ) as raster:  # fmt: skip
        raster.write(bands)


def make_inputs(folder: Path) -> None:
    """Write a scene with gaps, guides on its grid and in degrees, and two networks."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((HEIGHT * SCALE, WIDTH * SCALE))
    coarse = rng.uniform(0, 1, (HEIGHT * SCALE // 6 + 1, WIDTH * SCALE // 6 + 1))
    nir = coarse.repeat(6, 0).repeat(6, 1)[: HEIGHT * SCALE, : WIDTH * SCALE]
    red = np.sin(rows / 9) * np.cos(columns / 7) + rng.normal(0, 0.1, nir.shape)
    truth = 300 - 9 * nir + 4 * red + 3 * np.sin(rows / 40)
    lst = truth.reshape(HEIGHT, SCALE, WIDTH, SCALE).mean((1, 3))
    lst[5:8, 30:33] = np.nan
    nir[100:108, 20:40] = np.nan
    fine = COARSE * Affine.scale(1 / SCALE)
    write(folder / "lst.tif", lst.astype(np.float32), COARSE)
    write(folder / "celsius.tif", (lst - 273.15).astype(np.float32), COARSE)
    write(folder / "nir.tif", nir.astype(np.float32), fine)
    write(folder / "red.tif", red.astype(np.float32), fine)
    far = rng.uniform(0, 1, (2, 200, 220)).astype(np.float32)
    write(folder / "far.tif", far, NEAR, GEOGRAPHIC)
    scene = folder / "scenes" / "field"
    scene.mkdir(parents=True)
    write(scene / "lst.tif", truth.astype(np.float32), fine)
    write(scene / "red.tif", red.astype(np.float32), fine)
    form = {"stages": 2, "blocks": 1, "tile": 64, "scale": SCALE}
    make_checkpoint(folder / "guided.safetensors", width=8, bands=("nir", "red"), **form)


def groklst(folder: Path, *words: str) -> str:
    """Run a command; return what it printed.

    Raises:
        SystemExit: If it failed.
    """
    done = subprocess.run(_command(words), cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"groklst {' '.join(words)} failed: {done.stderr}")
    return done.stdout


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "groklst_cli", *words]


def hash_of(values: np.ndarray) -> str:
    """Hash an array: its type, shape and bytes."""
    held = np.ascontiguousarray(values)
    return hashlib.sha256(f"{held.dtype} {held.shape}".encode() + held.tobytes()).hexdigest()[:16]


def pixels(path: Path) -> str:
    """Hash the pixels of a raster."""
    with rasterio.open(path) as raster:
        return hash_of(raster.read())


def downscaled(folder: Path, *words: str, lst: str = "lst.tif", extra: str = "") -> str:
    """Hash what a command line makes."""
    scale = () if "-s" in words else ("-s", str(SCALE))
    made = "made.tif"
    groklst(folder, "downscale", lst, made, *scale, *words, "-q", "-d", "cpu", "--overwrite")
    return pixels(folder / (extra or made))


def resumed(folder: Path) -> str:
    """Hash a run that was interrupted after its first rows, and resumed."""
    words = ("downscale", "lst.tif", "resumed.tif", "-s", str(SCALE), *_GUIDES, "-d", "cpu", "-q")
    words = (*words, "-m", "guided.safetensors", "--tile", "32", "-j", "1")
    first = subprocess.Popen(
        _command(words), cwd=folder, stderr=subprocess.DEVNULL, preexec_fn=_heed_interrupts
    )
    began = folder / ".resumed.tif.unfinished"
    while first.poll() is None and not any(began.glob("*.npy")):
        time.sleep(0.01)
    if first.poll() is None:
        first.send_signal(signal.SIGINT)
    first.wait()
    if not (folder / "resumed.tif").exists():
        groklst(folder, *words, "--resume")
    return pixels(folder / "resumed.tif")


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def from_arrays(folder: Path, method: str, chunks: Mapping[str, int] | None) -> str:
    """Hash what the Python face makes of numpy's arrays, or of Dask's."""
    import rioxarray

    import groklst_cli

    def read(name: str) -> Any:
        raster = rioxarray.open_rasterio(folder / f"{name}.tif", chunks=chunks)
        return raster.squeeze("band", drop=True).rename(name)

    os.chdir(folder)
    guides = [read("nir"), read("red")]
    fine = groklst_cli.downscale(read("lst"), guides, SCALE, method, device="cpu")
    return hash_of(fine.values)


def figures(folder: Path, *words: str) -> str:
    """Hash the figures of an evaluation."""
    told = json.loads(groklst(folder, "evaluate", *words, "-d", "cpu", "-q", "--json"))
    scores = {f"{row['image']} {row['method']}": row["scores"] for row in told["images"]}
    return hashlib.sha256(json.dumps(scores, sort_keys=True).encode()).hexdigest()[:16]


def trained(folder: Path) -> str:
    """Hash the patches of a scene, and weights after eight steps on them."""
    out = folder / "patches"
    common = ("--scale", str(SCALE), "-q")
    groklst(folder, "prepare", "scenes/field", "--out", str(out), "--patch", "32", *common)
    with np.errstate(all="ignore"):
        held = sorted(p for p in out.rglob("*") if p.suffix in (".npy", ".npz", ".tif"))
    patches = hashlib.sha256(b"".join(hash_file(p).encode() for p in held)).hexdigest()[:16]
    run = folder / "run"
    settings = ("steps=8", "batch=2", "arguments.width=8", "arguments.stages=2")
    words = [word for setting in (*settings, "arguments.blocks=1") for word in ("--set", setting)]
    groklst(
        folder, "train", "--data", str(out), "--model", "mocolsk", "--out", str(run),
        "-d", "cpu", *words, *common,
    )  # fmt: skip
    arrays = load_file(run / "last.safetensors")
    return f"{patches} {hash_of(np.concatenate([arrays[k].ravel() for k in sorted(arrays)]))}"


def hash_file(path: Path) -> str:
    """Hash what a file of patches holds, not the time it was written."""
    if path.suffix == ".npy":
        return hash_of(np.load(path))
    if path.suffix == ".npz":
        with np.load(path) as held:
            return "".join(hash_of(held[name]) for name in sorted(held.files))
    return pixels(path)


RUNS: Final[dict[str, Callable[[Path], str]]] = {
    "bicubic": lambda here: downscaled(here, "-m", "bicubic"),
    "ridge": lambda here: downscaled(here, *_GUIDES, "-m", "ridge"),
    "ridge, guides in degrees": lambda here: downscaled(here, *_WARPED, "-m", "ridge"),
    "auto": lambda here: downscaled(here, *_GUIDES),
    "local": lambda here: downscaled(here, *_GUIDES, "-m", "local"),
    "quadratic": lambda here: downscaled(here, *_GUIDES, "-m", "quadratic"),
    "dms": lambda here: downscaled(here, *_GUIDES, "-m", "dms"),
    "atprk": lambda here: downscaled(here, *_GUIDES, "-m", "atprk"),
    "guided-filter": lambda here: downscaled(here, *_GUIDES, "-m", "guided-filter"),
    "celsius, cubic, x8": lambda here: downscaled(
        here, *_WARPED, "-m", "ridge", "-s", "8", "-r", "cubic", lst="celsius.tif"
    ),
    "radiance, sensor's point spread": lambda here: downscaled(
        here, *_GUIDES, "-m", "ridge", "--conserve", "radiance", "--sensor-psf", "0.4"
    ),
    "coregistered": lambda here: downscaled(
        here, *_GUIDES, "-m", "ridge", "--coregister", "0.3,-0.2"
    ),
    "uncertainty": lambda here: downscaled(
        here, *_GUIDES, "-m", "ridge", "--uncertainty", "sigma.tif", extra="sigma.tif"
    ),
    "network": lambda here: downscaled(
        here, *_GUIDES, "-m", "guided.safetensors", "--overlap", "32"
    ),
    "network, conserving": lambda here: downscaled(
        here, *_GUIDES, "-m", "guided.safetensors", "--conserve", "kelvin"
    ),
    "part of a scene": lambda here: downscaled(
        here, *_GUIDES, "-m", "guided.safetensors",
        "--bounds", "502400", "4393000", "507000", "4398000",
    ),
    "two workers": lambda here: downscaled(
        here, *_GUIDES, "-m", "guided.safetensors", "--workers", "2"
    ),
    "two workers, ridge": lambda here: downscaled(
        here, *_GUIDES, "-m", "ridge", "--workers", "2"
    ),
    "resumed": resumed,
    "arrays": lambda here: from_arrays(here, "ridge", None),
    "arrays, network": lambda here: from_arrays(here, "guided.safetensors", None),
    "Dask": lambda here: from_arrays(here, "ridge", {"y": 24, "x": 20}),
    "Dask, network": lambda here: from_arrays(here, "guided.safetensors", {"y": 24, "x": 20}),
    "evaluation": lambda here: figures(
        here, "--protocol", "wald_x4", "--data", "scenes",
        "-m", "ridge", "-m", "bicubic:raw", "-m", "local",
    ),
    "patches and weights": trained,
}  # fmt: skip


def main() -> None:
    """Run all, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--write", type=Path, metavar="FILE")
    chosen.add_argument("--against", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS), metavar="RUN")
    asked = parser.parse_args()
    before = json.loads(asked.against.read_text()) if asked.against else {}
    asked.write = asked.write and asked.write.absolute()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        make_inputs(Path(name))
        for run in asked.only:
            found[run] = RUNS[run](Path(name))
            told = "" if not before else ("  same" if before[run] == found[run] else "  DIFFERS")
            print(f"{run}: {found[run]}{told}", flush=True)
        os.chdir("/")
    if asked.write:
        asked.write.write_text(json.dumps(found, indent=1))
    else:
        differing = [run for run in found if found[run] != before[run]]
        print(f"{len(found) - len(differing)} of {len(found)} runs give the same bits")
        sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
