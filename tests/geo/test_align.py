import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from tests.conftest import UTM, plane

FINE = Grid(UTM, Affine(30, 0, 500000, 0, -30, 4400000), 96, 80)
SOUTH_UP = Grid(UTM, Affine(30, 0, 500000, 0, 30, 4397120), 96, 80)
ROTATED = Grid(
    UTM, Affine.translation(5e5, 4.4e6) * Affine.rotation(20) * Affine.scale(30, -30), 96, 80
)
WHOLE = (slice(0, 96), slice(0, 80))


def position_plane(grid: Grid, crs: CRS = UTM) -> np.ndarray:
    """Sample one plane in UTM metres at the pixel centres of any grid; 0.01 a fine pixel."""
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    t = grid.transform
    x = t.a * columns + t.b * rows + t.c
    y = t.d * columns + t.e * rows + t.f
    x, y = Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    return (x - 5e5) / 30 * 0.01 + (y - 4.4e6) / 30 * 0.02


def around(fine: Grid, crs: CRS, pixel: float) -> Grid:
    """Lay a north-up grid of another CRS and pixel over a fine grid, with room on all sides."""
    left, bottom, right, top = fine.bounds
    xs, ys = Transformer.from_crs(fine.crs, crs, always_xy=True).transform(
        [left, left, right, right], [bottom, top, bottom, top]
    )
    room = 5 * pixel
    transform = Affine(pixel, 0, min(xs) - room - pixel / 3, 0, -pixel, max(ys) + room + pixel / 3)
    width = int((max(xs) - min(xs) + 2.5 * room) / pixel)
    height = int((max(ys) - min(ys) + 2.5 * room) / pixel)
    return Grid(crs, transform, height, width)


@pytest.mark.parametrize("fine", [FINE, SOUTH_UP, ROTATED], ids=["north", "south", "rotated"])
@pytest.mark.parametrize(
    ("crs", "pixel", "method"),
    [
        (UTM, 10.0, "average"),
        (UTM, 31.0, "bilinear"),
        (UTM, 90.0, "bilinear"),
        (CRS.from_epsg(4326), 1e-4, "average"),
        (CRS.from_epsg(4326), 3e-4, "bilinear"),
        (CRS.from_epsg(32646), 12.0, "average"),
        (CRS.from_epsg(3857), 100.0, "bilinear"),
    ],
)
def test_a_plane_arrives_where_it_belongs_from_any_grid(write_raster, fine, crs, pixel, method):
    there = around(fine, crs, pixel)
    values = position_plane(there).astype(np.float32)
    path = write_raster("guide.tif", values, there.transform, crs=crs)
    guide = GuideSource(BandSource(path), fine)
    assert guide.method == method
    arrived = guide.read(*WHOLE)[0]
    # Half a pixel amiss would be 0.005 and more; GDAL's mean is over a box around the pixel.
    np.testing.assert_allclose(arrived, position_plane(fine), atol=1e-3)


def test_a_guide_on_the_fine_lattice_is_read_to_the_bit(write_raster):
    values = np.random.default_rng(0).integers(0, 10000, (60, 100)).astype("int16")
    start = FINE.transform * Affine.translation(-7, 11)
    path = write_raster("guide.tif", values, start, scale=1e-4, nodata=-1)
    guide = GuideSource(BandSource(path), FINE)
    assert guide.method == "aligned"
    arrived = guide.read(*WHOLE)[0]
    np.testing.assert_array_equal(arrived[11:71], (values[:, 7:87] * 1e-4).astype(np.float32))
    assert np.isnan(arrived[:11]).all()
    assert np.isnan(arrived[71:]).all()


@pytest.mark.parametrize("pixel", [10.0, 30.0, 70.0])
def test_windows_of_any_height_hold_the_same_bits(write_raster, pixel):
    there = around(FINE, CRS.from_epsg(4326), pixel / 111_320)
    values = np.random.default_rng(1).normal(size=there.shape).astype(np.float32)
    guide = GuideSource(
        BandSource(write_raster("guide.tif", values, there.transform, crs=there.crs)), FINE
    )
    whole = guide.read(*WHOLE)
    for height in (1, 7, 32):
        parts = [
            guide.read(slice(r, min(96, r + height)), slice(0, 80)) for r in range(0, 96, height)
        ]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(guide.read(slice(5, 9), slice(11, 31)), whole[:, 5:9, 11:31])


@pytest.mark.parametrize("how", ["nodata", "nan", "mask", "alpha"])
def test_missing_guide_pixels_stay_missing_and_poison_nobody(write_raster, how):
    there = around(FINE, UTM, 10.0)
    values = np.full(there.shape, 4.0, np.float32)
    gap = np.s_[60:120, 60:120]
    options = {}
    if how == "nodata":
        values[gap], options = -999, {"nodata": -999}
    elif how == "nan":
        values[gap] = np.nan
    else:
        known = np.full(there.shape, 255, np.uint8)
        known[gap] = 0
        values[gap] = 1e6
        options = {"mask": known} if how == "mask" else {"alpha": "unspecified"}
        values = values if how == "mask" else np.stack([values, known])
    path = write_raster("guide.tif", values, there.transform, **options)
    if how == "alpha":
        with rasterio.open(path, "r+") as raster:
            raster.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    arrived = GuideSource(BandSource(path), FINE).read(*WHOLE)[0]
    assert np.isnan(arrived).any()
    assert np.nanmin(arrived) == np.nanmax(arrived) == 4


def test_each_band_keeps_its_own_gaps_and_scale(write_raster):
    there = around(FINE, UTM, 10.0)
    values = np.full((2, *there.shape), 5000, np.int16)
    values[0, :100] = -1
    path = write_raster(
        "guide.tif", values, there.transform, nodata=-1, scale=1e-4, names=("red", "nir")
    )
    guide = GuideSource(BandSource(path), FINE)
    assert guide.names == ("red", "nir")
    red, nir = guide.read(*WHOLE)
    assert np.isnan(red).any()
    np.testing.assert_allclose(nir, 0.5, rtol=1e-6)
    np.testing.assert_allclose(red[~np.isnan(red)], 0.5, rtol=1e-6)


def test_names_come_from_the_user_the_file_or_its_name(write_raster):
    values = position_plane(FINE).astype(np.float32)
    one = write_raster("ndvi.tif", values, FINE.transform)
    two = write_raster("stack.tif", np.stack([values] * 2), FINE.transform)
    assert GuideSource(BandSource(one), FINE).names == ("ndvi",)
    assert GuideSource(BandSource(one, "green"), FINE).names == ("green",)
    assert GuideSource(BandSource(two), FINE).names == ("stack_1", "stack_2")
    assert GuideSource(BandSource(two, "swir1", 2), FINE).names == ("swir1",)
    with pytest.raises(UsageError, match="band=1"):
        GuideSource(BandSource(two, "both"), FINE)


def test_a_guide_elsewhere_is_refused(write_raster):
    values = plane(FINE.transform, 10, 10, 0, 0).astype(np.float32)
    path = write_raster("far.tif", values, Affine(10, 0, 0, 0, -10, 0))
    with pytest.raises(InputError, match="does not overlap"):
        GuideSource(BandSource(path), FINE)


def test_a_resampling_that_is_asked_for_is_used(write_raster):
    there = around(FINE, UTM, 10.0)
    path = write_raster("guide.tif", position_plane(there).astype(np.float32), there.transform)
    assert GuideSource(BandSource(path), FINE, "nearest").method == "nearest"


@pytest.mark.parametrize("pixel", [30.0, 10.0], ids=["aligned", "warped"])
def test_guidance_is_read_into_a_place_that_is_there(write_raster, pixel):
    there = around(FINE, UTM, pixel) if pixel != 30.0 else FINE
    values = np.random.default_rng(2).normal(size=(2, *there.shape)).astype(np.float32)
    guide = GuideSource(BandSource(write_raster("g.tif", values, there.transform)), FINE)
    place = np.full((3, 96, 80), 7, np.float32)
    guide.read_into(place[1:], *WHOLE)
    np.testing.assert_array_equal(place[1:], guide.read(*WHOLE))
    assert (place[0] == 7).all()


def test_the_block_cache_holds_a_row_of_blocks_of_ten_wide_guides():
    with gdal_environment():
        assert rasterio.env.getenv()["GDAL_CACHEMAX"] >= 10 * 256 * 10_000 * 2  # bytes
