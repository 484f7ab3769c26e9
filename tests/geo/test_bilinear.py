"""Laws of sampling bands at another grid's pixels: GDAL's values, whatever window is asked for."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.windows import Window
from scipy.ndimage import gaussian_filter

from groklst_cli.geo.align import warped
from groklst_cli.geo.bilinear import Bilinear
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.projection import way
from tests.conftest import UTM
from tests.geo.test_align import around

FINE = Grid(UTM, Affine(30, 0, 500000, 0, -30, 4400000), 150, 210)
SINUSOIDAL = CRS.from_string("+proj=sinu +lon_0=0 +R=6371007.181 +units=m")
DEGREES = CRS.from_epsg(4326)
PAIRS = {
    "degrees": (FINE, DEGREES, 3e-4),
    "the next zone": (FINE, CRS.from_epsg(32646), 31.0),
    "coarser": (FINE, CRS.from_epsg(3857), 100.0),
    "the same CRS": (FINE, UTM, 33.0),
    "another datum": (
        Grid(CRS.from_epsg(27700), Affine(30, 0, 400000, 0, -30, 300000), 150, 210),
        DEGREES,
        4e-4,
    ),
    "a sphere": (Grid(SINUSOIDAL, Affine(926.6, 0, 1e6, 0, -926.6, 5e6), 150, 210), DEGREES, 0.01),
}
BANDS = 3


def fields(grid: Grid, dtype: str, *, gap: float | None = None) -> np.ndarray:
    """Fields that are smooth over two pixels, with holes of one pixel and of many."""
    rng = np.random.default_rng(0)
    values = np.stack([gaussian_filter(rng.normal(size=grid.shape), 2) for _ in range(BANDS)])
    values = (values * 1000 + 5000).astype(dtype)
    if gap is not None:
        values[:, rng.random(grid.shape) < 0.1] = gap
        values[0, 20:40, 20:60] = gap
    return values


def reader(values: np.ndarray):
    return lambda rows, columns: values[:, rows, columns]


def sample(plan: Bilinear, values: np.ndarray, nodata=None, rows=None, columns=None) -> np.ndarray:
    rows, columns = rows or slice(0, plan.fine.height), columns or slice(0, plan.fine.width)
    shape = len(values), rows.stop - rows.start, columns.stop - columns.start
    found = np.full(shape, -1, np.float32)
    plan.sample_into(found, rows, columns, reader(values), [nodata])
    return found


def by_gdal(own: Grid, fine: Grid, values: np.ndarray, nodata=None) -> np.ndarray:
    with MemoryFile() as file:
        with file.open(
            driver="GTiff", height=own.height, width=own.width, count=len(values),
            dtype=values.dtype, crs=own.crs, transform=own.transform, nodata=nodata,
        ) as made:  # fmt: skip
            made.write(values)
        with file.open() as opened, warped(opened, fine, "bilinear", nodata) as view:
            return view.read(window=Window(0, 0, fine.width, fine.height))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(
    ("dtype", "gap"), [("uint16", None), ("int16", -9), ("float32", np.nan), ("float32", -9999.0)]
)
def test_values_are_those_of_gdal(pair, dtype, gap):
    fine, crs, pixel = PAIRS[pair]
    own = around(fine, crs, pixel)
    values = fields(own, dtype, gap=gap)
    plan = Bilinear.between(own, fine)
    assert plan is not None
    ours, theirs = sample(plan, values, gap), by_gdal(own, fine, values, gap)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert np.isnan(theirs).any() == (gap is not None)
    # A place that is a thousandth of a pixel from a known one may count as known or not.
    assert (np.isnan(ours) != np.isnan(theirs)).mean() < 1e-4
    # A thousandth of a pixel changes these fields by less than one unit; beside a gap, where the
    # weight of the only neighbour is almost nothing, by more.
    off = np.abs(ours - theirs)[both]
    assert np.quantile(off, 0.999) < 1.0
    assert off.mean() < 0.2


@pytest.mark.parametrize("pair", PAIRS)
def test_places_are_true_to_a_thousandth_of_a_pixel(pair):
    fine, crs, pixel = PAIRS[pair]
    own = around(fine, crs, pixel)
    plan = Bilinear.between(own, fine)
    rows, columns = np.mgrid[: fine.height, : fine.width] + 0.5
    t, back = fine.transform, ~own.transform
    x, y = way(fine.crs, own.crs)(
        t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    )
    exact = np.stack((back.d * x + back.e * y + back.f, back.a * x + back.b * y + back.c)) - 0.5
    found = plan.places(slice(0, fine.height), slice(0, fine.width))
    np.testing.assert_allclose(found, exact, atol=1e-3)


@pytest.mark.parametrize("gap", [None, 77])
def test_no_pixel_depends_on_its_window_or_on_other_bands(gap):
    own = around(FINE, DEGREES, 3e-4).crop(slice(9, 140), slice(0, 300))  # it ends within
    values = fields(own, "uint16", gap=gap)
    plan = Bilinear.between(own, FINE)
    whole = sample(plan, values, gap)
    assert np.isnan(whole).any()
    for rows, columns in [((0, 1), (0, 210)), ((17, 150), (31, 32)), ((40, 99), (63, 130))]:
        part = sample(plan, values, gap, slice(*rows), slice(*columns))
        np.testing.assert_array_equal(part, whole[:, slice(*rows), slice(*columns)])
    for band in range(BANDS):
        alone = sample(plan, values[band : band + 1], gap)
        np.testing.assert_array_equal(alone[0], whole[band])


@pytest.mark.parametrize("pair", PAIRS)
def test_a_band_of_one_value_keeps_it_to_the_last_bit(pair):
    fine, crs, pixel = PAIRS[pair]
    own = around(fine, crs, pixel)
    values = np.stack([np.full(own.shape, value, np.float32) for value in (1, 0.1, 777.7)])
    values[:, np.random.default_rng(0).random(own.shape) < 0.2] = -1
    found = sample(Bilinear.between(own, fine), values, -1)
    for plane, value in zip(found, (1, 0.1, 777.7), strict=True):
        assert set(plane[np.isfinite(plane)]) == {np.float32(value)}


def test_wide_windows_are_cut_into_parts_without_a_trace(monkeypatch):
    own = around(FINE, DEGREES, 3e-4)
    values, plan = fields(own, "float32"), Bilinear.between(own, FINE)
    whole = sample(plan, values)
    monkeypatch.setattr("groklst_cli.geo.bilinear._COLUMNS", 50)
    np.testing.assert_array_equal(sample(plan, values), whole)


@pytest.mark.parametrize("edge", ["top", "bottom", "left", "right"])
def test_beyond_an_edge_no_more_of_the_raster_is_read(edge):
    whole = around(FINE, DEGREES, 3e-4)
    rows, columns = slice(0, whole.height), slice(0, whole.width)
    cuts = {
        "top": (slice(40, whole.height), columns),
        "bottom": (slice(0, 110), columns),
        "left": (rows, slice(60, whole.width)),
        "right": (rows, slice(0, 150)),
    }
    own = whole.crop(*cuts[edge])
    values, most = fields(own, "uint16"), 0

    def read(rows, columns):
        nonlocal most
        most = max(most, rows.stop - rows.start, columns.stop - columns.start)
        return values[:, rows, columns]

    plan, gone = Bilinear.between(own, FINE), 0
    for row in range(0, 150, 10):
        for column in range(0, 210, 10):
            found = np.empty((BANDS, 10, 10), np.float32)
            window = slice(row, row + 10), slice(column, column + 10)
            plan.sample_into(found, *window, read, [None])
            gone += int(np.isnan(found).any())
    assert gone
    assert 0 < most < 20


def test_a_window_beside_the_raster_has_no_values():
    own = around(FINE, DEGREES, 3e-4).crop(slice(0, 400), slice(0, 60))
    found = sample(Bilinear.between(own, FINE), fields(own, "uint8"), columns=slice(190, 210))
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    "fine",
    [
        Grid(CRS.from_epsg(32601), Affine(3000, 0, 200000, 0, -3000, 6e6), 100, 100),  # 180° east
        Grid(CRS.from_epsg(3413), Affine(3000, 0, -15e4, 0, -3000, 15e4), 100, 100),  # the pole
    ],
    ids=["seam", "pole"],
)
def test_what_a_lattice_cannot_follow_is_left_to_gdal(fine):
    assert (
        Bilinear.between(Grid(DEGREES, Affine(0.1, 0, -180, 0, -0.1, 90), 1800, 3600), fine) is None
    )
