"""PGDM and MoCoLSK-Net with the same processor time, scored on places that neither has seen.

``python benchmarks/pgdm_training.py TRAINING SCENES WORK [--minutes N | --steps N] [--network …]``
prepares patches at ×4 from the six-band scenes of TRAINING, trains each network at a small width
for so many minutes of processor time (the ``local`` recipe without regression and conservation,
validated on Pennsylvania and Hong Kong of SCENES), and prints a row of a Markdown table for each:
RMSE in kelvin on Chiapas and Talca by ``evaluate --protocol wald_x4``, as the network answers and
with coarse means restored, and the shares of truth within one standard deviation of
``--uncertainty`` (68 % is due) and within 1.96 (95 %). WORK keeps what was prepared and trained; a
network that is there is not trained again.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from one_thread import groklst, processor_time
from real_scenes import wald_cases

from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.evaluate.cases import Case
from groklst_models.checkpoint import load, read_header

SCALE = 4
BANDS = "blue,green,red,nir,swir1,swir2"
VALIDATION = ("pennsylvania_l7_20020720", "hongkong_l8_20131129")
UNSEEN = ("chiapas_l7_19991118", "talca_l7_20130215")
WIDTHS = {
    "pgdm": {"width": 8, "multipliers": [1, 2, 4, 8], "attention": [2, 3], "limit": 0},
    "mocolsk": {"width": 16, "stages": 2, "blocks": 1},
}
OPTIONS = (
    "--recipe", "local", "-d", "cpu", "--set", "workers=0", "--set", "picture_every=0",
    "--set", "crop=64", "--set", "batch=2", "--set", f"bands={BANDS}", "--set", "loss=auto",
    "--set", "trend=false", "--set", "conserve=false",
)  # fmt: skip
PROBE = 80
"""Steps whose processor time is measured first."""
VALIDATIONS = 5


def prepare(training: Path, scenes: Path, work: Path) -> None:
    """Cut training and validation patches."""
    folder = work / "set"
    if folder.is_dir():
        return
    bands = [f"{band}.tif" for band in BANDS.split(",")]
    six = sorted(p for p in training.iterdir() if all((p / band).is_file() for band in bands))
    taught = [scaled(scene, work / "scenes", bands) for scene in six]
    sets = [f"{p.name}=train" for p in taught] + [f"{name}=val" for name in VALIDATION]
    groklst(
        "prepare", *taught, *(scenes / name for name in VALIDATION), "--out", folder,
        "--scale", SCALE, "--patch", 128, "--bands", BANDS, "--max-nodata", 0.4,
        "--native-resolution", f"{VALIDATION[0]}=2",
        *(part for text in sets for part in ("--whole", text)),
    )  # fmt: skip


def scaled(scene: Path, folder: Path, bands: Sequence[str]) -> Path:
    """Copy a scene and tag its bands with the scale that they lack; return where it is."""
    made = folder / scene.name
    made.mkdir(parents=True, exist_ok=True)
    for name in ("lst.tif", "scene.json", *bands):
        shutil.copyfile(scene / name, made / name)
    for band in bands:
        with rasterio.open(made / band, "r+") as raster:
            raster.scales = (1e-4,)
    return made


def train(name: str, data: Path, run: Path, steps: int, validations: int = VALIDATIONS) -> float:
    """Train a network and return the processor time that took, seconds."""
    sets = [f"arguments.{key}={json.dumps(value)}" for key, value in WIDTHS[name].items()]
    sets += [f"steps={steps}", f"validate_every={-(-steps // validations)}", "save_every=1000000"]
    before = processor_time()
    groklst(
        "train", "--data", data, "--model", name, "--scale", SCALE, "--out", run, *OPTIONS,
        *(part for text in sets for part in ("--set", text)), "--overwrite",
    )  # fmt: skip
    return processor_time() - before


def steps_for(name: str, data: Path, work: Path, minutes: float) -> int:
    """Find how many steps take so many minutes, with imports and validations."""
    with tempfile.TemporaryDirectory(dir=work) as place:
        beside = train(name, data, Path(place), 1, validations=1)
        step = (train(name, data, Path(place), PROBE, validations=1) - beside) / (PROBE - 1)
    left = 60 * minutes - VALIDATIONS * beside
    if not (step > 0 and left > step):
        raise SystemExit(f"{minutes} minutes are too few, or the machine is too busy to measure")
    return int(left / step)


def score(scenes: Path, model: object) -> list[float]:
    """Score a method on the unseen places, kelvin."""
    named = [part for name in UNSEEN for part in ("--scene", name)]
    printed = groklst(
        "evaluate", "--data", scenes, "--protocol", f"wald_x{SCALE}", *named,
        "-m", model, "-d", "cpu", "--json", "-q",
    )  # fmt: skip
    images = {row["image"]: row["scores"]["rmse"] for row in json.loads(printed)["images"]}
    return [images[name] for name in UNSEEN]


def held(scenes: Path, model: Path, work: Path) -> list[float]:
    """Measure the shares of truth inside the intervals on the unseen places, per cent."""
    with tempfile.TemporaryDirectory(dir=work) as place:
        few = Path(place) / "scenes"
        few.mkdir()
        for name in UNSEEN:
            (few / name).symlink_to((scenes / name).absolute())
        cases = wald_cases(few, [SCALE], Path(place))
        return [share for case in cases for share in shares(case, str(model), Path(place))]


def shares(case: Case, method: str, work: Path) -> tuple[float, float]:
    """Downscale one case and count the pixels whose truth lies inside, per cent."""
    fine, sigma = work / "fine.tif", work / "sigma.tif"
    downscale(
        Request(
            case.lst,
            fine,
            case.guides,
            scale=case.scale,
            model=method,
            uncertainty=sigma,
            overwrite=True,
        )
    )
    with rasterio.open(fine) as result, rasterio.open(sigma) as spread:
        ratio = np.abs(result.read(1) - case.truth) / spread.read(1)
    known = ratio[np.isfinite(ratio)]
    return 100 * float((known < 1).mean()), 100 * float((known < 1.96).mean())


def row(name: str, options: argparse.Namespace) -> str:
    """Train a network if it is not there, and say how it does."""
    data, run = options.work / "set", options.work / name
    best = run / "best.safetensors"
    if not best.is_file():
        steps = options.steps or steps_for(name, data, options.work, options.minutes)
        spent = train(name, data, run, steps)
        print(f"{name}: {steps} steps in {spent / 60:.1f} min of processor time", file=sys.stderr)
    weights = sum(part.numel() for part in load(best).weights.values())
    steps = read_header(best).training["steps"]
    figures = [
        f"{rmse:.3f}"
        for model in (best, f"{best}:conserved")
        for rmse in score(options.scenes, model)
    ]
    figures += [f"{share:.0f} %" for share in held(options.scenes, best, options.work)]
    return f"| `{name}` | {weights:,} | {steps} | {' | '.join(figures)} |"


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, help="so many instead; a busy machine misleads")
    parser.add_argument("--network", nargs="+", choices=list(WIDTHS), default=list(WIDTHS))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    prepare(options.training, options.scenes, options.work)
    places = [name.split("_")[0].capitalize() for name in UNSEEN]
    heads = [f"{place}{how} RMSE (K)" for how in ("", " conserved") for place in places]
    heads += [f"{place} within {width}" for place in places for width in ("σ", "1.96 σ")]
    print(f"| network | weights | best step | {' | '.join(heads)} |")
    print(f"|---|---:|---:|{'---:|' * len(heads)}")
    for name in options.network:
        print(row(name, options), flush=True)
    for name in ("bicubic", "ridge", "local"):
        figures = [
            f"{rmse:.3f}"
            for model in (f"{name}:raw", f"{name}:conserved")
            for rmse in score(options.scenes, model)
        ]
        print(f"| `{name}` | | | {' | '.join(figures)} |" + " |" * 4, flush=True)


if __name__ == "__main__":
    main()
