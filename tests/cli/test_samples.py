"""The samples are what the pages say of them: georeferenced, in the products' numbers, the same."""

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio

from groklst_cli.data.groklst_dataset import GrokLST
from groklst_cli.geo.conserve import block_means
from tests.cli.conftest import SCRIPT


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(1).astype(float)


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_two_makings_are_one(samples, tmp_path):
    again = tmp_path
    subprocess.run([sys.executable, str(SCRIPT), str(again)], check=True)
    files = sorted(p.relative_to(samples) for p in samples.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for file in files:
        first, second = (hashlib.sha256((root / file).read_bytes()) for root in (samples, again))
        assert first.digest() == second.digest(), file


def test_every_raster_has_a_place(samples):
    rasters = [p for p in samples.rglob("*") if p.suffix.lower() in (".tif", ".tiff")]
    assert len(rasters) > 20
    for path in rasters:
        with rasterio.open(path) as raster:
            assert raster.crs is not None, path
            assert not raster.transform.is_identity, path


def test_the_coarse_lst_is_the_mean_of_the_truth(samples):
    blocks = read(samples / "truth.tif").reshape(64, 8, 64, 8).mean((1, 3))
    assert np.abs(read(samples / "lst.tif") - blocks).max() < 1e-3


def test_landsats_integers_are_kelvin_by_its_own_scale(samples):
    product = only(samples / "landsat", "LC09_L2SP_*")
    stored = read(only(product, "*_ST_B10.TIF"))
    clear = read(only(product, "*_QA_PIXEL.TIF")).astype(int) & (1 << 6) != 0
    error = stored * 0.00341802 + 149 - read(samples / "truth.tif")[:480, :480]
    assert 0.5 < clear.mean() < 1
    assert abs(error[clear].mean()) < 0.05
    assert error[~clear].mean() < -3  # clouds are cold


def test_landsats_files_do_not_say_their_scale(samples):
    for path in (samples / "landsat").rglob("*.TIF"):
        with rasterio.open(path) as raster:
            assert (raster.dtypes, raster.scales, raster.offsets) == (("uint16",), (1.0,), (0.0,))


def test_sdgsats_cameras_share_a_strip(samples):
    product = only(samples / "sdgsat", "KX10_MII_*")
    with (
        rasterio.open(only(product, "*_A.tif")) as west,
        rasterio.open(only(product, "*_B.tif")) as east,
    ):
        assert west.count == east.count == 7
        shared = round((west.bounds.right - east.bounds.left) / 10)
        assert np.array_equal(west.read()[:, :, -shared:], east.read()[:, :, :shared])


def test_the_dataset_s_tiles_are_of_one_ground_at_every_scale(samples):
    for scale in (2, 4, 8):
        splits = [GrokLST(samples / "GrokLST", name, scale) for name in ("train", "val", "test")]
        assert [len(split) for split in splits] == [6, 1, 3]
        patch = splits[0].read(1)
        means = block_means(patch.truth.astype(float), scale)
        assert np.abs(patch.lst - means).max() < 1e-3
        assert patch.truth.shape == (96, 96)
        assert np.isfinite(patch.guide).all()


def test_both_lists_name_the_same_scenes(samples):
    with (samples / "batch.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.reader(table))[1:]
    text = (samples / "batch.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert [(row[0], row[2:]) for row in rows] == [(r["lst"], r["guide"]) for r in records]
    assert all((samples / row[0]).is_file() for row in rows)
