"""Laws of cubes: each date comes out as it would alone, whatever the others are."""

from functools import cache

import numpy as np
import pytest
import rioxarray  # noqa: F401  (gives arrays their .rio)
import xarray
from affine import Affine

import groklst_cli
from groklst_cli.errors import InputError
from tests.conftest import UTM

SCALE = 4
COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
DATES = np.array(["2024-07-15", "2024-07-16T10:30", "2024-08-01"], "datetime64[ns]")


def placed(values: np.ndarray, pixel: float, name: str) -> xarray.DataArray:
    steps = np.arange(values.shape[-1]) + 0.5
    rows = np.arange(values.shape[-2]) + 0.5
    dims = ("time", "y", "x")[-values.ndim :]
    coords = {"y": COARSE.f - pixel * rows, "x": COARSE.c + pixel * steps}
    if values.ndim == 3:
        coords["time"] = DATES
    return xarray.DataArray(values.astype(np.float32), coords, dims, name).rio.write_crs(UTM)


@pytest.fixture(scope="module")
def cube():
    """Three dates of LST, and what they are made of: a red band a date, and a dem for all."""
    rng = np.random.default_rng(0)
    red, dem = rng.uniform(0.1, 0.5, (3, 80, 64)), rng.uniform(0, 300, (80, 64))
    means = (20 * red - 0.01 * dem).reshape(3, 20, SCALE, 16, SCALE).mean((2, 4))
    lst = placed(300 + means + rng.normal(0, 0.05, means.shape), 240, "lst")
    lst[1, 3:5, 4:6] = np.nan
    lst = lst.assign_coords(orbit=("time", [7, 8, 9]), sensor="TIS").assign_attrs(units="K")
    return lst, {"red": placed(red, 60, "red"), "dem": placed(dem, 60, "dem")}


def of_date(guides, number):
    return {k: g.isel(time=number) if "time" in g.dims else g for k, g in guides.items()}


def lazy(array, chunks):
    if chunks is None:
        return array
    return array.chunk({dim: size for dim, size in chunks.items() if dim in array.dims})


@pytest.fixture(scope="module")
def alone(cube):
    """Each date as it comes out by itself."""
    lst, guides = cube

    @cache
    def downscaled(method, number):
        return groklst_cli.downscale(lst[number], of_date(guides, number), SCALE, method)

    return downscaled


@pytest.mark.parametrize("method", ["bicubic", "ridge"])
@pytest.mark.parametrize("chunks", [None, {"time": 1, "y": 7, "x": 9}, {"y": 11}])
def test_each_date_has_the_bits_that_it_has_alone(cube, alone, method, chunks):
    lst, guides = cube
    given = {name: lazy(guide, chunks) for name, guide in guides.items()}
    fine = groklst_cli.downscale(lazy(lst, chunks), given, SCALE, method)
    assert (fine.chunks is None) == (chunks is None)
    assert fine.dims == ("time", "y", "x")
    assert fine.shape == (3, 80, 64)
    for number in range(3):
        expected = alone(method, number)
        xarray.testing.assert_identical(fine[number].compute(), expected)
        assert fine.rio.transform() == expected.rio.transform()


def test_a_lazy_cube_of_interpolations_reads_nothing_at_the_call(cube):
    import dask.array

    def read(*where):
        raise AssertionError("it was read")

    lst, _ = cube
    values = dask.array.map_blocks(
        read, dask.array.zeros(lst.shape, np.float32, chunks=5), dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )  # fmt: skip
    fine = groklst_cli.downscale(lst.copy(data=values), None, SCALE, "bicubic")
    with pytest.raises(AssertionError, match="it was read"):
        fine[0, :4].compute(scheduler="synchronous")


def test_a_cube_keeps_dates_place_and_the_order_of_its_dimensions(cube):
    lst, guides = cube
    turned = lst.transpose("y", "x", "time")
    fine = groklst_cli.downscale(turned, guides, SCALE, "ridge")
    assert fine.dims == ("y", "x", "time")
    np.testing.assert_array_equal(fine.time, lst.time)
    assert fine.orbit.dims == ("time",)
    assert fine.sensor == "TIS"
    assert fine.rio.crs == UTM
    straight = groklst_cli.downscale(lst, guides, SCALE, "ridge")
    np.testing.assert_array_equal(fine.transpose(*straight.dims).values, straight.values)


def test_masks_with_dates_hide_their_own_date_alone(cube):
    lst, guides = cube
    clear = xarray.ones_like(lst).fillna(1.0).drop_vars("orbit")
    clear[2, :5] = 0
    fine = groklst_cli.downscale(lst, guides, SCALE, "ridge", mask=(clear, "values=1"))
    assert np.isnan(fine[2, : 5 * SCALE]).all()
    assert not np.isnan(fine[0]).any()


def test_unusual_names_of_rows_and_columns_serve(cube):
    lst = cube[0].rename(y="north", x="east").rio.set_spatial_dims("east", "north")
    fine = groklst_cli.downscale(lst, None, SCALE, "bicubic")
    assert fine.dims == ("time", "north", "east")
    assert fine.rio.x_dim == "east"


def test_notes_are_led_by_their_date(cube):
    notes: list[str] = []
    groklst_cli.downscale(cube[0], None, SCALE, "bicubic", note=notes.append)
    led = [note.partition(": method")[0] for note in notes if ": method" in note]
    assert led == ["2024-07-15", "2024-07-16T10:30:00", "2024-08-01"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lst, red: (lst, red[:2]), ["red has 2 dates, lst has 3", "red.isel(time=0"]),
        (
            lambda lst, red: (lst, red.assign_coords(time=DATES + np.timedelta64(1, "D"))),
            ["red has the date 2024-07-16 where lst has 2024-07-15", "method='nearest'"],
        ),
        (lambda lst, red: (lst[:0], red[:0]), ["lst has no date"]),
        (
            lambda lst, red: (
                lst.assign_attrs(units="").copy(
                    data=lst.values - np.float32([[[0]], [[273.15]], [[0]]])
                ), red
            ),
            ["units K on 2024-07-15 and degC on", "lst_units='K'"],
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_line(cube, change, says):
    lst, red = change(cube[0], cube[1]["red"])
    with pytest.raises(InputError) as refused:
        groklst_cli.downscale(lst, {"red": red}, SCALE, "ridge")
    assert "\n" not in str(refused.value)
    for words in says:
        assert words in str(refused.value)
