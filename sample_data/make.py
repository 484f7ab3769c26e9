"""Make the samples: a valley that never existed, in the forms in which such data come.

``python sample_data/make.py [FOLDER]`` writes, always the same for the same version of numpy:

* ``lst.tif``: land surface temperature, 64 × 64 pixels of 240 m, kelvin;
* ``multispectral.tif``: blue, green, red and near infrared reflectance at 10 m, scaled integers;
* ``dem.tif``: elevation in metres, geographic coordinates, about 30 m;
* ``truth.tif``: the temperature at 30 m from which ``lst.tif`` was averaged;
* ``days/``, ``batch.csv``, ``batch.jsonl``: three days of such LST, and lists of them;
* ``series/``: the same days as scene folders, without guides;
* ``scenes/``: two halves of the valley at 30 m, to train and to score on;
* ``sdgsat/`` and ``landsat/``: the valley as files of those satellites;
* ``GrokLST/``: ten small tiles of it in that dataset's form.
"""

import csv
import json
import sys
from pathlib import Path

import groklst_tiles
import landsat
import numpy as np
import sdgsat
from affine import Affine
from rasterio.crs import CRS
from scipy.ndimage import zoom
from valley import FINE, SIDE, UTM, Array, block_means, geographic, make_truth, write

SEED = 20241126
SCALE = 8
GUIDES = ["multispectral.tif", "dem.tif"]
DAYS = {"0715": -6.0, "0716": 0.5, "0717": 3.0}
"""Days of July, and how much warmer than on the first day's picture the valley was, kelvin."""


def write_scene(folder: Path, truth: dict[str, Array], rng: np.random.Generator) -> None:
    """Write the scene that the README works on."""
    coarse = FINE * Affine.scale(SCALE)
    temperature = truth["temperature"]
    write(folder / "lst.tif", {"LST": block_means(temperature, SCALE)}, coarse, UTM, 1)
    write(folder / "truth.tif", {"LST": temperature}, FINE, UTM, 1)
    bands = {name: truth[name] for name in ("blue", "green", "red", "nir")}
    grain = {name: rng.normal(0, 0.003, (3 * SIDE, 3 * SIDE)) for name in bands}
    sharp = {name: np.clip(zoom(v, 3, order=1) + grain[name], 0, 1) for name, v in bands.items()}
    write(folder / "multispectral.tif", sharp, FINE * Affine.scale(1 / 3), UTM, 1e-4)
    moved, there = geographic(truth["elevation"], FINE)
    write(folder / "dem.tif", {"dem": moved}, there, CRS.from_epsg(4326), 1)


def write_days(folder: Path, truth: dict[str, Array], rng: np.random.Generator) -> None:
    """Write the valley's LST on other days, and both kinds of list for ``--batch-file``."""
    (folder / "days").mkdir(exist_ok=True)
    rows = []
    for day, warmer in DAYS.items():
        haze = zoom(rng.normal(0, 0.4, (8, 8)), SIDE // 8, order=1)
        seen = block_means(truth["temperature"] + warmer + haze, SCALE)
        path = f"days/lst_{day}.tif"
        write(folder / path, {"LST": seen}, FINE * Affine.scale(SCALE), UTM, 1)
        rows.append([path, f"days/lst_{day}_30m.tif", *GUIDES])
        write_date(folder / "series" / f"2024{day}", seen, f"2024-{day[:2]}-{day[2:]}")
    lines = [json.dumps({"lst": path, "guide": GUIDES}) + "\n" for path, *_ in rows]
    (folder / "batch.jsonl").write_text("".join(lines), encoding="utf-8")
    with (folder / "batch.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerows([["lst", "output", "guide", "guide"], *rows])


def write_date(scene: Path, seen: Array, date: str) -> None:
    """Write one day as a scene folder that states when it was seen."""
    scene.mkdir(parents=True, exist_ok=True)
    write(scene / "lst.tif", {"LST": seen}, FINE * Affine.scale(SCALE), UTM, 1)
    facts = {"date": date, "time": f"{date}T03:42:00+00:00"}
    (scene / "scene.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def write_halves(folder: Path, truth: dict[str, Array]) -> None:
    """Write the western and the eastern half at 30 m, each a folder as ``prepare`` takes it."""
    for name, first in (("west", 0), ("east", SIDE // 2)):
        half = {band: plane[:, first : first + SIDE // 2] for band, plane in truth.items()}
        place = FINE * Affine.translation(first, 0)
        scene = folder / "scenes" / name
        scene.mkdir(parents=True, exist_ok=True)
        write(scene / "lst.tif", {"LST": half["temperature"]}, place, UTM, 1)
        bands = {band: half[band] for band in ("blue", "green", "red", "nir")}
        write(scene / "multispectral.tif", bands, place, UTM, 1e-4)
        write(scene / "dem.tif", {"dem": half["elevation"]}, place, UTM, 1)


def main(folder: Path) -> None:
    """Write all samples."""
    rng = np.random.default_rng(SEED)
    truth = make_truth(rng)
    folder.mkdir(parents=True, exist_ok=True)
    write_scene(folder, truth, rng)
    write_days(folder, truth, rng)
    write_halves(folder, truth)
    sdgsat.write_products(folder / "sdgsat", truth)
    landsat.write_product(folder / "landsat", truth)
    groklst_tiles.write_dataset(folder / "GrokLST", truth)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
