"""The recipes for Landsat scenes, rehearsed: a packed training set, steps, scenes of elsewhere.

``python benchmarks/landsat_training.py TRAINING SCENES WORK [--scales 4 8] [--network …] [--steps
200] [--set KEY=VALUE …]`` prepares patches of the scenes of TRAINING that have colours, validated
on Pennsylvania and Hong Kong of SCENES, packs them (``prepare --patches-only``, a ``.tar``), trains
each recipe of ``recipes/`` for so many steps with one sample a step, on one thread, and prints how
long that took and RMSE over bicubic's on two places that are in neither, by ``evaluate
--protocol``. WORK keeps what was prepared and trained; a run that is there is not trained again.
"""

import argparse
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import rasterio
from one_thread import groklst, processor_time

COLOURS = ("blue", "green", "red")
BANDS = "blue,green,red,nir,swir1,swir2"
SIDE = 96
VALIDATION = ("pennsylvania_l7_20020720", "hongkong_l8_20131129")
UNSEEN = ("chiapas_l7_19991118", "talca_l7_20130215")
NOT_USED = ("ethiopia", "liverpool", "in_delhi_l9_scene100", "in_lucknow_l9_scene100")
"""Not at native resolution; smaller than a crop; with thermal pixels that have to be left out."""


def scaled(scene: Path, folder: Path) -> Path:
    """Copy a scene and tag its bands with the scale that they lack; return where it is."""
    made = folder / scene.name
    made.mkdir(parents=True, exist_ok=True)
    for path in scene.iterdir():
        shutil.copyfile(path, made / path.name)
    for band in BANDS.split(","):
        if (made / f"{band}.tif").is_file():
            with rasterio.open(made / f"{band}.tif", "r+") as raster:
                raster.scales = (1e-4,)
    return made


def prepare(training: Path, scenes: Path, work: Path, scale: int) -> Path:
    """Cut training and validation patches, and pack them; return the folder."""
    folder = work / f"set{scale}"
    if not folder.is_dir():
        coloured = [
            scene
            for scene in sorted(training.iterdir())
            if all((scene / f"{band}.tif").is_file() for band in COLOURS)
            and not scene.name.startswith(NOT_USED)
        ]
        taught = [scaled(scene, work / "scenes") for scene in coloured]
        sets = [f"{p.name}=train" for p in taught] + [f"{name}=val" for name in VALIDATION]
        groklst(
            "prepare", *taught, *(scenes / name for name in VALIDATION), "--out", folder,
            "--scale", scale, "--patch", SIDE, "--bands", BANDS, "--max-nodata", 0.4,
            "--patches-only", *(part for text in sets for part in ("--whole", text)),
        )  # fmt: skip
    packed = folder.with_suffix(".tar")
    with tarfile.open(packed, "w") as archive:
        archive.add(folder, folder.name)
    manifest = json.loads((folder / "manifest.json").read_text())
    splits = [patch["split"] for patch in manifest["patches"]]
    counts = f"{splits.count('train')} training and {splits.count('val')} validation patches"
    print(f"x{scale}: {counts}, {packed.stat().st_size / 1e6:.1f} MB", flush=True)
    return folder


def train(network: str, data: Path, run: Path, options: argparse.Namespace) -> float:
    """Train by a recipe for some steps; return the processor time, seconds."""
    sets = [f"steps={options.steps}", f"validate_every={options.steps}", "batch=1",
            "workers=0", f"bands={BANDS},ndvi", *options.set]  # fmt: skip
    before = processor_time()
    groklst(
        "train", Path("recipes") / f"{network}_landsat.toml", "--data", data, "--out", run, "-d",
        "cpu", "-s", json.loads((data / "manifest.json").read_text())["scale"], "-q",
        *(part for text in sets for part in ("--set", text)),
    )  # fmt: skip
    return processor_time() - before


def ratios(scenes: Path, model: object, scale: int) -> list[float]:
    """Score a method against bicubic on the unseen places."""
    named = [part for name in UNSEEN for part in ("--scene", name)]
    rmse = []
    for each in (model, "bicubic:raw"):
        printed = groklst(
            "evaluate", "--data", scenes, "--protocol", f"wald_x{scale}", *named, "-m", each, "-d",
            "cpu", "--json", "-q",
        )  # fmt: skip
        images = {row["image"]: row["scores"]["rmse"] for row in json.loads(printed)["images"]}
        rmse.append(np.array([images[name] for name in UNSEEN]))
    return [float(ratio) for ratio in rmse[0] / rmse[1]]


def main() -> None:
    """Prepare, pack, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--network", nargs="*", default=["mocolsk", "pgdm_small"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for scale in options.scales:
        data = prepare(options.training, options.scenes, options.work, scale)
        for network in options.network:
            run = options.work / f"{network}{scale}"
            if not (run / "best.safetensors").is_file():
                spent = train(network, data, run, options)
                print(
                    f"x{scale} {network}: {options.steps} steps, {spent / 60:.1f} min", flush=True
                )
            _print(scale, network, ratios(options.scenes, run / "best.safetensors", scale))
        for method in ("local", "auto"):
            _print(scale, method, ratios(options.scenes, method, scale))


def _print(scale: int, name: str, found: list[float]) -> None:
    places = "  ".join(f"{p.split('_')[0]} {r:.3f}" for p, r in zip(UNSEEN, found, strict=True))
    print(f"x{scale} {name}: mean {np.mean(found):.3f}  {places}", flush=True)


if __name__ == "__main__":
    main()
