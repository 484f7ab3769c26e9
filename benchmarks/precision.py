"""How far a network's result moves when it is computed with fewer bits, or on another device.

``python benchmarks/precision.py [NAME …] [--steps N]`` trains each network for a short time on the
sample scene, at the small widths of ``tests/models/networks.toml``, and downscales the scene with
it: in fp32 on the CPU, then with fewer bits there, then on a CUDA device where there is one. It
prints a row of a Markdown table for each: root mean square and largest difference to the first, and
the RMSE against the sample's truth, in kelvin. Coarse means are not restored, so nothing is hidden.

``--model FILE --lst FILE --guide FILE …`` measures a checkpoint of yours on a scene of yours.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
NAMES = ("mocolsk", "sgnet", "dkn", "edsr", "swinir", "srcnn")
SCALE = 8
OPTIONS = (
    "--recipe", "local", "-d", "cpu", "--set", "workers=0", "--set", "trend=false",
    "--set", "conserve=false", "--set", "crop=64", "--set", "batch=2", "--set", "picture_every=0",
    "--set", "warmup=10",
)  # fmt: skip


def groklst(*arguments: object) -> str:
    """Run a command and return what it prints on stdout."""
    command = [sys.executable, "-m", "groklst_cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def prepare(work: Path) -> None:
    """Make the sample scene, and patches in which its truth is the LST."""
    subprocess.run([sys.executable, ROOT / "sample_data" / "make.py", work], check=True)
    (work / "scene").mkdir()
    shutil.copy(work / "truth.tif", work / "scene" / "lst.tif")
    for name in ("multispectral.tif", "dem.tif"):
        shutil.copy(work / name, work / "scene")
    groklst("prepare", work / "scene", "--out", work / "set", "--scale", SCALE, "--patch", 64)


def train(name: str, work: Path, steps: int) -> Path:
    """Train a network and return its checkpoint."""
    table = tomllib.loads((ROOT / "tests/models/networks.toml").read_text(encoding="utf-8"))
    sets = [f"arguments.{key}={json.dumps(value)}" for key, value in table[name]["small"].items()]
    sets += [f"steps={steps}", f"validate_every={steps}"]
    groklst(
        "train", "--data", work / "set", "--model", name, "--scale", SCALE, "--out", work / name,
        *OPTIONS, *(part for text in sets for part in ("--set", text)), "-q",
    )  # fmt: skip
    return work / name / "best.safetensors"


def fine(
    model: Path, lst: Path, guides: list[Path], device: str, precision: str
) -> NDArray[np.float64]:
    """Downscale and return the pixels, kelvin or degrees Celsius."""
    scale = json.loads(groklst("models", model, "--json"))["scale"]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "fine.tif"
        groklst(
            "downscale", lst, output, *(p for guide in guides for p in ("--guide", guide)),
            "--scale", scale, "--model", model, "--device", device, "--precision", precision,
            "--no-conserve", "-q",
        )  # fmt: skip
        with rasterio.open(output) as result:
            return result.read(1).astype(np.float64)


def rms(difference: NDArray[np.float64]) -> float:
    """Return the root of the mean square, without nodata."""
    return float(np.sqrt(np.nanmean(difference**2)))


def report(name: str, model: Path, lst: Path, guides: list[Path], truth: Path | None) -> None:
    """Print a row for each device and precision."""
    expected = None
    if truth is not None:
        with rasterio.open(truth) as raster:
            expected = raster.read(1).astype(np.float64)
    runs = [("cpu", "fp32"), ("cpu", "bf16")]  # processors without fp16 units take minutes for it
    if torch.cuda.is_available():
        runs += [("cuda", precision) for precision in ("fp32", "bf16", "fp16")]
    first = None
    for device, precision in runs:
        pixels = fine(model, lst, guides, device, precision)
        first = pixels if first is None else first
        off = pixels - first
        error = "" if expected is None else f"{rms(pixels - expected):.4f}"
        print(
            f"| `{name}` | {device} {precision} | {rms(off):.5f} | "
            f"{np.nanmax(np.abs(off)):.4f} | {error} |",
            flush=True,
        )


def main() -> None:
    """Train where no checkpoint is named, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lst", type=Path)
    parser.add_argument("--guide", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    print("| network | computed | RMS difference (K) | largest (K) | RMSE against truth (K) |")
    print("|---|---|---:|---:|---:|")
    if options.model is not None:
        report(options.model.name, options.model, options.lst, options.guide, None)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepare(work)
        guides = [work / "multispectral.tif", work / "dem.tif"]
        for name in options.names:
            model = train(name, work, options.steps)
            report(name, model, work / "lst.tif", guides, work / "truth.tif")


if __name__ == "__main__":
    main()
