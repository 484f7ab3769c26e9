"""Overviews made while rows come in: GDAL's sizes and values; GDAL makes the others."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from groklst_cli.geo import writer
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.overviews import halved, levels_of
from groklst_cli.geo.writer import OutputFormat, ResultFile, cog_options
from tests.conftest import UTM

MAKE = writer.Overviews
TRANSFORM = Affine(30, 0, 5e5, 0, -30, 4e6)


def values_of(shape, *, gaps=True):
    rng = np.random.default_rng(0)
    values = rng.normal(300, 9, shape).astype(np.float32)
    if gaps:
        values[rng.random(shape) < 0.2] = np.nan
        values[100:200, 64:96] = np.nan
    return values


def write(path, values, step, **form):
    grid = Grid(UTM, TRANSFORM, *values.shape)
    with ResultFile(path, grid, OutputFormat(**form), overwrite=False) as result:
        for start in range(0, len(values), step):
            result.write(start, values[start : start + step])


def overviews(path):
    with rasterio.open(path) as raster:
        levels = raster.overviews(1)
    found = []
    for level in range(len(levels)):
        with rasterio.open(path, overview_level=level) as raster:
            found.append(raster.read(1, masked=True).filled(np.nan))
    return found


def by_gdal(folder, values, **form):
    """The overviews that GDAL's COG driver makes by itself."""
    plain = folder / "plain.tif"
    nodata = form.get("nodata", np.nan)
    with rasterio.open(
        plain, "w", driver="GTiff", count=1, dtype="float32", crs=UTM, transform=TRANSFORM,
        height=values.shape[0], width=values.shape[1], nodata=nodata,
    ) as raster:  # fmt: skip
        raster.write(np.where(np.isnan(values), np.float32(nodata), values), 1)
    rasterio.shutil.copy(plain, folder / "cog.tif", driver="COG", **cog_options({}))
    return overviews(folder / "cog.tif")


@pytest.mark.parametrize("shape", [(512, 512), (1024, 600), (600, 1028), (2048, 1040)])
@pytest.mark.parametrize("step", [16, 35])
@pytest.mark.parametrize("nodata", [np.nan, -9999.0])
def test_they_are_those_of_gdal(tmp_path, monkeypatch, shape, step, nodata):
    made = []
    monkeypatch.setattr(writer, "Overviews", lambda *given: made.append(given) or MAKE(*given))
    values = values_of(shape)
    write(tmp_path / "f.tif", values, step, nodata=nodata)
    found, expected = overviews(tmp_path / "f.tif"), by_gdal(tmp_path, values, nodata=nodata)
    assert [one.shape for one in found] == [one.shape for one in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert bool(made) == (max(shape) > 512)


@pytest.mark.parametrize(
    ("shape", "creation"),
    [
        ((1026, 702), {}),  # 513 cannot be halved
        ((1024, 1024), {"OVERVIEW_RESAMPLING": "NEAREST"}),
        ((1024, 1024), {"overview_count": "1"}),
        ((1024, 1024), {"BLOCKSIZE": "256"}),
    ],
)
def test_gdal_makes_them_where_sizes_are_odd_or_options_say_how(
    tmp_path, monkeypatch, shape, creation
):
    monkeypatch.setattr(writer, "Overviews", None)  # which cannot be called
    write(tmp_path / "f.tif", values_of(shape), 32, creation=creation)
    assert overviews(tmp_path / "f.tif")


def test_none_are_made_where_none_are_wanted(tmp_path):
    write(tmp_path / "f.tif", values_of((1024, 1024)), 32, creation={"OVERVIEWS": "NONE"})
    assert overviews(tmp_path / "f.tif") == []


@pytest.mark.parametrize(
    ("shape", "levels"),
    [((512, 512), 0), ((513, 4), None), ((1024, 8), 1), ((4096, 4096), 3), ((1026, 513), None)],
)
def test_their_number_is_known_where_every_size_is_whole(shape, levels):
    assert levels_of(shape) == levels


def test_halving_averages_what_is_known():
    block = np.array([[1, 2, np.nan, np.nan], [3, 6, np.nan, 5]], np.float32)
    np.testing.assert_array_equal(halved(block), np.array([[3, 5]], np.float32))
    assert np.isnan(halved(np.full((2, 2), np.nan, np.float32))).all()


def test_nothing_is_left_beside_the_result(tmp_path):
    write(tmp_path / "f.tif", values_of((1024, 1024)), 32)
    assert [path.name for path in tmp_path.iterdir()] == ["f.tif"]
