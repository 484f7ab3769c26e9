import os

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.writer import OutputFormat, ResultFile
from tests.conftest import UTM

SINUSOIDAL = CRS.from_proj4("+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs")
GRIDS = [
    Grid(UTM, Affine(30, 0, 500000.1, 0, -30, 4400000.7), 70, 50),
    Grid(UTM, Affine(30, 0, 500000, 0, 30, 4400000), 70, 50),
    Grid(UTM, Affine.translation(5e5, 4e6) * Affine.rotation(20) * Affine.scale(30, -30), 70, 50),
    Grid(
        CRS.from_epsg(4326), Affine(1 / 3840, 0, 99.123456789, 0, -1 / 3840, 39.987654321), 70, 50
    ),
    Grid(SINUSOIDAL, Affine(231.65635826395834, 0, 884e3, 0, -231.65635826, 4967e3), 70, 50),
]
VALUES = np.random.default_rng(0).normal(300, 9, (70, 50)).astype(np.float32)


def write(path, grid=GRIDS[0], values=VALUES, *, overwrite=False, **form):
    with ResultFile(path, grid, OutputFormat(**form), overwrite=overwrite) as result:
        for start in range(0, 70, 20):
            result.write(start, values[start : start + 20])


@pytest.mark.parametrize("grid", GRIDS, ids=["north", "south", "rotated", "degrees", "sinusoidal"])
def test_place_and_values_are_kept_to_the_last_digit(tmp_path, grid):
    write(tmp_path / "fine.tif", grid, tags={"GROKLST_SCALE": "8"})
    with rasterio.open(tmp_path / "fine.tif") as raster:
        assert raster.crs == grid.crs
        assert raster.transform == grid.transform
        np.testing.assert_array_equal(raster.read(1), VALUES)
        assert raster.tags()["GROKLST_STATUS"] == "complete"
        assert raster.tags()["GROKLST_SCALE"] == "8"
        assert raster.units == ("K",)
        assert raster.profile["compress"] == "deflate"
    assert os.listdir(tmp_path) == ["fine.tif"]


def test_the_file_is_a_cog_with_averaged_overviews(tmp_path):
    grid = Grid(UTM, Affine(30, 0, 5e5, 0, -30, 4e6), 1100, 700)
    values = np.full((1100, 700), 300, np.float32)
    with ResultFile(tmp_path / "f.tif", grid, OutputFormat(), overwrite=False) as result:
        result.write(0, values)
    with rasterio.open(tmp_path / "f.tif") as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.block_shapes == [(512, 512)]
        assert raster.overviews(1) == [2, 4]


def test_celsius_and_nodata_are_written_as_asked(tmp_path):
    values = VALUES.copy()
    values[3, 4] = np.nan
    values[5, 6] = 0 + np.float32(273.15)  # 0 °C, the nodata value itself
    write(tmp_path / "f.tif", values=values, units="C", nodata=0.0)
    with rasterio.open(tmp_path / "f.tif") as raster:
        written = raster.read(1, masked=True)
        assert raster.units == ("degC",)
    assert written.mask.sum() == 1
    assert written.mask[3, 4]
    np.testing.assert_allclose(
        written.compressed(), (values - 273.15)[~np.isnan(values)], atol=4e-5
    )


def test_an_existing_file_is_kept_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "f.tif"
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write(path)
    assert path.read_text() == "precious"
    write(path, overwrite=True)
    with rasterio.open(path) as raster:
        assert raster.shape == (70, 50)


def test_a_failure_leaves_nothing_and_keeps_the_old(tmp_path):
    path = tmp_path / "f.tif"
    path.write_text("precious")

    def fail() -> None:
        with ResultFile(path, GRIDS[0], OutputFormat(), overwrite=True) as result:
            result.write(0, VALUES[:20])
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert os.listdir(tmp_path) == ["f.tif"]
    assert path.read_text() == "precious"


def test_a_file_that_was_cut_short_is_found_out(tmp_path, monkeypatch):
    copy = rasterio.shutil.copy

    def cut(source, made, **options):
        copy(source, made, **options)
        os.truncate(made, os.path.getsize(made) - 500)

    monkeypatch.setattr("rasterio.shutil.copy", cut)
    with pytest.raises(GroklstError, match="was not written"):
        write(tmp_path / "f.tif")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("option", ["COMPRESSION", "TILING_SCHEME", "TARGET_SRS"])
def test_creation_options_that_gdal_ignores_or_that_move_pixels_are_refused(option):
    with pytest.raises(UsageError, match=f"--co {option}"):
        OutputFormat(creation={option: "x"})


def test_creation_options_are_used(tmp_path):
    write(tmp_path / "f.tif", creation={"compress": "ZSTD", "LEVEL": "1", "blocksize": "128"})
    with rasterio.open(tmp_path / "f.tif") as raster:
        assert raster.profile["compress"] == "zstd"
        assert raster.block_shapes == [(128, 128)]


def test_targets_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        write(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        write(tmp_path / "absent" / "f.tif")
    with pytest.raises(UsageError, match="--dst-nodata"):
        OutputFormat(nodata=1e300)
