"""Places where coordinates wrap: a guide comes to the LST there as it does anywhere else."""

import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from tests.trust.rasters import write

WGS84 = CRS.from_epsg(4326)
AROUND_180 = "+proj=tmerc +lat_0=0 +lon_0=180 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m"
SEAMS = {
    "polar": ("EPSG:3571", 70),
    "web mercator": ("EPSG:3857", 30),
    "Fiji": ("EPSG:3460", -17),
    "South Pacific": ("EPSG:3994", -40),
    "UTM 60": ("EPSG:32660", 20),
    "transverse Mercator": (AROUND_180, 10),
}
FRAMES = {"from -180": -180.0, "from 0": 0.0, "from 170": 170.0}


def grid_at(crs: str, longitude: float, latitude: float, pixel: float, size: int) -> Grid:
    """Lay a square grid around a place."""
    there = CRS.from_user_input(crs)
    x, y = Transformer.from_crs(WGS84, there, always_xy=True).transform(longitude, latitude)
    half = pixel * size / 2
    return Grid(there, Affine(pixel, 0, x - half, 0, -pixel, y + half), size, size)


def degrees_grid(left: float, latitude: float, pixel: float) -> Grid:
    """Lay a grid of degrees over 20 degrees of longitude, or over all."""
    width = round((20 if left == 170 else 360) / pixel)
    return Grid(WGS84, Affine(pixel, 0, left, 0, -pixel, latitude + 0.3), round(0.6 / pixel), width)


def expected_ratio(guide: Grid, fine: Grid, longitude: float, latitude: float) -> float:
    """Measure on the ground, in a small equal-area frame of the place's own."""
    frame = f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84"
    areas = []
    for crs, pixel in ((fine.crs, fine.pixel_size[0]), (guide.crs, guide.pixel_size[0])):
        x, y = Transformer.from_crs(WGS84, crs, always_xy=True).transform(longitude, latitude)
        back = Transformer.from_crs(crs, CRS.from_user_input(frame), always_xy=True)
        (x0, y0), (x1, y1), (x2, y2) = (
            back.transform(x + dx, y + dy) for dx, dy in ((0, 0), (pixel, 0), (0, pixel))
        )
        areas.append(abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)))
    return math.sqrt(areas[0] / areas[1])


def pattern(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Something smooth on the sphere, without a seam of its own."""
    turn, tilt = np.radians(longitude), np.radians(latitude)
    x, y, z = np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn), np.sin(tilt)
    return np.sin(900 * x) + np.cos(1100 * y) + np.sin(1000 * z)


def truth_on(fine: Grid) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(fine.width) + 0.5, np.arange(fine.height) + 0.5)
    x, y = fine.transform * (columns, rows)
    return pattern(*Transformer.from_crs(fine.crs, WGS84, always_xy=True).transform(x, y))


def write_guide(path: Path, guide: Grid) -> None:
    """Write the pattern near 180 degrees, and nothing but 0 elsewhere."""
    columns, rows = np.arange(guide.width) + 0.5, np.arange(guide.height) + 0.5
    longitudes = guide.transform.c + columns * guide.transform.a
    latitudes = guide.transform.f + rows * guide.transform.e
    near = np.abs((longitudes % 360) - 180) < 1
    values = np.zeros(guide.shape, np.float32)
    values[:, near] = pattern(*np.meshgrid(longitudes[near], latitudes))
    write(path, values, guide.transform, WGS84)


@pytest.mark.parametrize("seam", SEAMS)
@settings(max_examples=25)
@given(
    frame=st.sampled_from(sorted(FRAMES)),
    shift=st.floats(-0.02, 0.02),
    metres=st.floats(100, 3000),
    size=st.integers(1, 40),
    pixel=st.floats(0.0005, 0.02),
)
def test_the_ratio_of_pixels_is_that_on_the_ground(seam, frame, shift, metres, size, pixel):
    crs, latitude = SEAMS[seam]
    longitude = 180 - shift if crs == "EPSG:32660" else 180 + shift
    fine = grid_at(crs, longitude, latitude, metres, size)
    guide = degrees_grid(FRAMES[frame], latitude, pixel)
    found = guide.pixels_per_pixel_of(fine)
    assert found == pytest.approx(expected_ratio(guide, fine, longitude, latitude), rel=0.05)


@pytest.mark.parametrize("seam", SEAMS)
def test_a_grid_is_torn_at_the_seam_and_nowhere_else(seam):
    crs, latitude = SEAMS[seam]
    world = degrees_grid(-180, latitude, 0.1)
    assert world.is_torn_under(grid_at(crs, 180, latitude, 250, 16))
    assert not world.is_torn_under(grid_at(crs, 179, latitude, 250, 16))


@pytest.mark.parametrize(
    ("frame", "pixel"), [*((frame, 0.004) for frame in FRAMES), ("from 170", 0.001)]
)
@pytest.mark.parametrize("seam", SEAMS)
def test_a_guide_is_read_across_the_seam_without_gap_or_step(seam, frame, pixel, tmp_path):
    crs, latitude = SEAMS[seam]
    fine = grid_at(crs, 180, latitude, 250, 24)
    write_guide(tmp_path / "guide.tif", degrees_grid(FRAMES[frame], latitude, pixel))
    with gdal_environment():
        source = GuideSource(BandSource(str(tmp_path / "guide.tif")), fine)
        values = source.read(slice(0, 24), slice(0, 24))[0]
        part = source.read(slice(5, 9), slice(10, 15))[0]
        source.close()
    assert np.abs(values - truth_on(fine)).max() < 0.01
    np.testing.assert_array_equal(part, values[5:9, 10:15])


def test_one_crs_needs_no_way_to_itself():
    site = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    grid = Grid(site, Affine(240, 0, 0, 0, -240, 4800), 20, 20)
    assert grid.refine(4).overlaps(grid)
    assert grid.refine(4).pixels_per_pixel_of(grid) == pytest.approx(4)
