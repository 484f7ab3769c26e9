"""Three hundred small scenes with faults put in at random: each result right, or named as failed.

``python benchmarks/soak.py [--scenes N] [--kills N] [--seed S]`` makes the scenes, of which a third
is bad in some way, and the results of the good ones, each by a run of its own. Then one process
goes over all of them: its records are held against what was put in, and its memory at the end
against that after the tenth scene. At last results are taken away and damaged, and the same
command is killed again and again until it gets through.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio
from affine import Affine
from made_scenes import FINE, make_checkpoint, write

from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request

SCALE, SIDE = 4, 24
BANDS = ("red", "nir")
WITH_GUIDES = ("ridge", "ridge", "auto", "network")
MODELS = ("bicubic", *WITH_GUIDES)
OUTPUTS = "results"


def make_scene(folder: Path, rng: np.random.Generator) -> None:
    """Write an LST of odd size and two guides that explain it."""
    folder.mkdir(parents=True)
    height, width = (int(side) for side in rng.integers(SIDE // 2, SIDE, 2))
    bands = rng.uniform(0.05, 0.5, (2, height * SCALE, width * SCALE))
    fine = 300 + 20 * bands[0] - 30 * bands[1]
    lst = fine.reshape(height, SCALE, width, SCALE).mean((1, 3)).astype(np.float32)
    lst[rng.random(lst.shape) < 0.02] = np.nan
    write(folder / "lst.tif", lst, FINE * Affine.scale(SCALE))
    for name, band in zip(BANDS, bands, strict=True):
        write(folder / f"{name}.tif", (band * 1e4).astype(np.uint16), FINE, 1e-4)


def cut_short(path: Path) -> None:
    """Lose the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite_middle(path: Path) -> None:
    """Put zeros over a file's middle."""
    contents = bytearray(path.read_bytes())
    third = len(contents) // 3
    contents[third : 2 * third] = bytes(third)
    path.write_bytes(contents)


def overwrite_block(path: Path) -> None:
    """Put zeros over the beginning of the first block; later ones may unpack to other values."""
    with rasterio.open(path) as raster:
        start = int(raster.get_tag_item("BLOCK_OFFSET_0_0", dm="TIFF", bidx=1))
    contents = bytearray(path.read_bytes())
    contents[start : start + 64] = bytes(64)
    path.write_bytes(contents)


def make_empty(path: Path) -> None:
    """Set all pixels to NaN."""
    with rasterio.open(path, "r+") as raster:
        raster.write(np.full(raster.shape, np.nan, np.float32), 1)


def misplace(path: Path) -> None:
    """Move a raster to another country."""
    with rasterio.open(path, "r+") as raster:
        raster.transform = Affine.translation(2e5, 3e5) * raster.transform


def disguise(path: Path) -> None:
    """Put values where no unit can be told from."""
    with rasterio.open(path, "r+") as raster:
        raster.write(raster.read(1) * 50, 1)


@dataclass(frozen=True)
class Fault:
    """Something wrong with one file of a scene, and the exit code that it has to lead to."""

    file: str
    do: Callable[[Path], object]
    code: int = 3


FAULTS = (
    Fault("lst.tif", cut_short),
    Fault("lst.tif", Path.unlink),
    Fault("lst.tif", make_empty),
    Fault("lst.tif", disguise),
    Fault("lst.tif", lambda path: path.write_bytes(b"")),
    Fault("nir.tif", cut_short),
    Fault("nir.tif", overwrite_block),
    Fault("nir.tif", misplace),
    Fault("nir.tif", Path.unlink),
)


def results_of(folder: Path, names: list[str], models: dict[str, str]) -> dict[str, np.ndarray]:
    """Downscale scenes one by one, and return their pixels."""
    found = {}
    for name in names:
        made = folder / "expected.tif"
        guides = [BandSource(str(folder / name / f"{band}.tif")) for band in BANDS]
        lst = BandSource(str(folder / name / "lst.tif"))
        model = str(folder / models[name]) if models[name] == "network" else models[name]
        downscale(
            Request(lst, made, guides, scale=SCALE, model=model, device="cpu", overwrite=True)
        )
        found[name] = pixels(made)
    return found


def pixels(path: Path) -> np.ndarray:
    """Read a result."""
    with rasterio.open(path) as raster:
        values: np.ndarray = raster.read(1)
    return values


def write_list(path: Path, models: dict[str, str]) -> None:
    """Write the list of scenes."""
    rows = (
        {
            "lst": f"{name}/lst.tif",
            "guide": [f"{name}/{band}.tif" for band in BANDS],
            "model": model,
            "output": f"{OUTPUTS}/{name}.tif",
        }
        for name, model in models.items()
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def command(folder: Path, *more: str) -> list[str]:
    """Return the command that goes over all scenes."""
    return [
        *(sys.executable, "-m", "groklst_cli", "downscale", "--batch-file", "scenes.jsonl"),
        *("-s", str(SCALE), "-d", "cpu", "--json", "-q", *more),
    ]


def records(folder: Path, memory: list[int], *more: str) -> Iterator[dict[str, Any]]:
    """Go over all scenes in one process; note its memory after each."""
    with (
        (folder / "errors.log").open("w") as log,
        subprocess.Popen(
            command(folder, *more), cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        ) as running,
    ):
        assert running.stdout is not None
        process = psutil.Process(running.pid)
        for line in running.stdout:
            memory.append(process.memory_info().rss)
            yield json.loads(line)
    assert running.returncode == 6, f"ended with {running.returncode}"
    print((folder / "errors.log").read_text().splitlines()[-1])


def judge(
    folder: Path,
    found: list[dict[str, Any]],
    faults: dict[str, Fault],
    expected: dict[str, np.ndarray],
) -> int:
    """Count scenes that are neither right nor named as failed, with what they should say."""
    wrong = 0
    by_name = {Path(record["output"]).stem: record for record in found}
    assert len(by_name) == len(found), "a scene has two records"
    for name in expected.keys() | faults.keys():
        path, record = folder / OUTPUTS / f"{name}.tif", by_name.get(name, {})
        if name in faults:
            right = record.get("code") == faults[name].code and bool(record.get("error"))
            right = right and not path.exists()
        else:
            right = record.get("status") in ("done", "skipped") and np.array_equal(
                pixels(path), expected[name], equal_nan=True
            )
        if not right:
            wrong += 1
            print(f"WRONG: {name}: {record or 'no record'}")
    left = [path.name for path in (folder / OUTPUTS).iterdir() if path.name.startswith(".")]
    if left:
        wrong += len(left)
        print(f"WRONG: left over: {left}")
    return wrong


def spoil(folder: Path, draw: random.Random, expected: dict[str, np.ndarray]) -> int:
    """Take half of the results away and damage some of the others; return how many."""
    for name in expected:
        path = folder / OUTPUTS / f"{name}.tif"
        kind = draw.random()
        if kind < 0.5:
            path.unlink()
        elif kind < 0.6:
            overwrite_middle(path)
    return sum(not (folder / OUTPUTS / f"{name}.tif").exists() for name in expected)


def until_through(folder: Path, draw: random.Random, kills: int) -> None:
    """Start the command and kill it, so many times."""
    for _ in range(kills):
        running = subprocess.Popen(
            command(folder, "--skip-existing", "--resume"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            running.wait(draw.uniform(2.5, 9.0))
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def main() -> None:
    """Make scenes, go over them, judge; spoil results, go over them with kills, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, rng = random.Random(options.seed), np.random.default_rng(options.seed)
    folder = Path(tempfile.mkdtemp())
    try:
        make_checkpoint(
            folder / "network", width=8, stages=2, blocks=1, tile=64, bands=BANDS, scale=SCALE
        )
        (folder / OUTPUTS).mkdir()
        models = {f"s{number:04d}": draw.choice(MODELS) for number in range(options.scenes)}
        for name in models:
            make_scene(folder / name, rng)
        faults = {name: draw.choice(FAULTS) for name in models if draw.random() < 1 / 3}
        models |= {name: draw.choice(WITH_GUIDES) for name in faults}
        good = [name for name in models if name not in faults]
        expected = results_of(folder, good, models)
        for name, fault in faults.items():
            fault.do(folder / name / fault.file)
        write_list(folder / "scenes.jsonl", models)

        memory: list[int] = []
        wrong = judge(folder, list(records(folder, memory)), faults, expected)
        tenth, last = memory[9] / 2**20, memory[-1] / 2**20
        print(f"{len(models)} scenes, {len(faults)} of them bad: {wrong} wrong")
        print(
            f"memory: {tenth:.0f} MiB after ten scenes, {last:.0f} at the end: {last / tenth:.3f}"
        )

        gone = spoil(folder, draw, expected)
        until_through(folder, draw, options.kills)
        last_round = list(records(folder, [], "--skip-existing", "--overwrite"))
        again = judge(folder, last_round, faults, expected)
        skipped = sum(record["status"] == "skipped" for record in last_round)
        print(f"{gone} results taken away, {options.kills} kills: {again} wrong, {skipped} skipped")
    finally:
        shutil.rmtree(folder)
    raise SystemExit(wrong + again > 0)


if __name__ == "__main__":
    main()
