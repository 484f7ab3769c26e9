"""The Python face: what is no raster is refused in one line, and what the line says to do works."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import affine
import numpy as np
import pytest
import rioxarray
import scipy.interpolate
import xarray
from affine import Affine

import groklst_cli
from groklst_cli.errors import GroklstError, InputError, UsageError
from tests.conftest import UTM

PLACE = Affine(240, 0, 500000, 0, -240, 4390000)
DEGREES = 0.01
SIDE = 12

Array = xarray.DataArray
Change = Callable[[Array], Any]


def values() -> np.ndarray:
    return np.random.default_rng(0).normal(300, 5, (SIDE, SIDE)).astype(np.float32)


def lst_array() -> Array:
    steps = np.arange(SIDE) + 0.5
    coords = {"y": PLACE.f - 240 * steps, "x": PLACE.c + 240 * steps}
    return xarray.DataArray(values(), coords, ("y", "x"), name="LST").rio.write_crs(UTM)


def in_degrees(rows: str = "lat", columns: str = "lon", kind: str = "float32") -> Array:
    steps = np.arange(SIDE) * DEGREES
    coords = {rows: (35 - steps).astype(kind), columns: (120 + steps).astype(kind)}
    return xarray.DataArray(values(), coords, (rows, columns), name="LST")


def days(lst: Array, dim: str = "time", number: int = 3) -> Array:
    return xarray.concat([lst + day for day in range(number)], dim)


def fine(lst: Any, guides: Any = None, method: str = "bicubic") -> Array:
    return groklst_cli.downscale(lst, guides, 2, method)


def with_gap(lst: Array) -> Array:
    return lst.isel(y=[0, 1, 2, 4, 5, 6, 7, 9])


def uneven(lst: Array) -> Array:
    return lst.assign_coords(x=lst.x.values + np.linspace(0, 9, SIDE) ** 2)


def swath(lst: Array) -> Array:
    bare = lst.drop_vars(["x", "y"])
    rows, columns = np.mgrid[:SIDE, :SIDE] * DEGREES
    return bare.assign_coords(lat=(("y", "x"), 35 - rows), lon=(("y", "x"), 120 + columns))


def in_unit(unit: str, metres: float) -> Change:
    def change(lst: Array) -> Array:
        moved = lst.assign_coords(x=lst.x / metres, y=lst.y / metres)
        for dim in ("x", "y"):
            moved[dim].attrs["units"] = unit
        return moved

    return change


def scan_angles(lst: Array) -> Array:
    """Make what GOES delivers: angles, and a CRS that is in metres."""
    view = "+proj=geos +lon_0=-75 +h=35786023 +sweep=x +ellps=GRS80"
    return in_unit("rad", 35786023)(lst).rio.write_crs(view)


def bad(name: str, change: Change, error: type[GroklstError], *says: str) -> object:
    return pytest.param(change, error, says, id=name.replace(" ", "-"))


NO_RASTERS = [
    bad("numpy", lambda lst: lst.values, UsageError, "lst is a numpy.ndarray", "dims=('y', 'x')"),
    bad("list", lambda lst: [lst], UsageError, "lst is a list", "rioxarray.open_rasterio"),
    bad("path", lambda lst: "lst.tif", UsageError, "lst is a str", "open_rasterio('lst.tif')"),
    bad("nothing", lambda lst: None, UsageError, "lst is a NoneType"),
    bad("dataset", lambda lst: lst.to_dataset(), UsageError, "Dataset of LST", "lst['LST']"),
    bad("empty dataset", lambda lst: xarray.Dataset(), UsageError, "Dataset of no arrays"),
    bad("layers", lambda lst: days(lst, "z"), InputError, "3 layers along z", "lst.isel(z=0)"),
    bad("bands", lambda lst: days(lst, "band"), InputError, "3 bands", "lst.isel(band=0)"),
    bad(
        "days of bands",
        lambda lst: days(days(lst), "band", 2),
        InputError,
        "lst has 2 bands",
        "lst.isel(band=0)",
    ),
    bad("odd dimension", lambda lst: days(lst, "two words"), InputError, "{'two words': 0}"),
    bad("line", lambda lst: lst[0], InputError, "dimensions x, expected rows and columns"),
    bad("point", lambda lst: lst[0, 0], InputError, "dimensions none"),
    bad("no CRS", lambda lst: lst.drop_vars("spatial_ref"), InputError, "has no CRS", "'EPSG:…'"),
    bad("degrees without CRS", lambda lst: in_degrees(), InputError, "no CRS", "'EPSG:4326'"),
    bad(
        "strange CRS",
        lambda lst: lst.drop_vars("spatial_ref").assign_attrs(crs="here"),
        InputError,
        "CRS that cannot be read",
        "lst.rio.write_crs('EPSG:…')",
    ),
    bad("unknown dimensions", lambda lst: lst.rename(x="east", y="north"), InputError, "'east', "),
    bad("row twice", lambda lst: lst[[0, 1, 1, 2]], InputError, "has y", "2 times"),
    bad("rows in disorder", lambda lst: lst[[0, 2, 1, 3]], InputError, "y out of order"),
    bad("rows missing", with_gap, InputError, "y not evenly spaced: 240 to 480", "reindex("),
    bad("columns uneven", uneven, InputError, "x not evenly spaced", "interp("),
    bad("one row", lambda lst: lst[:1], InputError, "a single row or column"),
    bad(
        "coordinates of text",
        lambda lst: lst.assign_coords(x=[f"x{n}" for n in range(SIDE)]),
        InputError,
        "coordinates x of type <U3",
        "lst.drop_vars('x')",
    ),
    bad(
        "coordinates of dates",
        lambda lst: lst.assign_coords(y=np.arange(SIDE).astype("datetime64[ns]")),
        InputError,
        "coordinates y of type datetime64",
    ),
    bad(
        "coordinate missing",
        lambda lst: lst.assign_coords(x=np.where(np.arange(SIDE) < 9, lst.x, np.nan)),
        InputError,
        "x that are not finite",
    ),
    bad("kilometres", in_unit("km", 1000), InputError, "y in km", "is in metres"),
    bad("scan angles", scan_angles, InputError, "x and y in rad", "35786023.0"),
    bad("swath", swath, InputError, "lat and lon for every pixel (a swath)", "griddata"),
    bad(
        "scale in words",
        lambda lst: lst.assign_attrs(scale_factor="ten"),
        InputError,
        "scale_factor 'ten'",
    ),
    bad(
        "scaled or not",
        lambda lst: lst.assign_attrs(scale_factor=0.1, add_offset=3.0),
        InputError,
        "scale_factor 0.1 and add_offset 3",
        "assign_attrs(scale_factor=1, add_offset=0)",
        "mask_and_scale=True",
    ),
]  # fmt: skip


def told(given: Any, guides: Any = None) -> GroklstError:
    with pytest.raises(GroklstError) as caught:
        fine(given, guides)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("chunks", [None, 5])
@pytest.mark.parametrize(("change", "error", "says"), NO_RASTERS)
def test_what_is_no_lst_is_refused(change, error, says, chunks):
    given = change(lst_array())
    if chunks and isinstance(given, Array):
        given = given.chunk(chunks)
    refused = told(given)
    assert type(refused) is error
    assert re.search(".*".join(map(re.escape, says)), str(refused)), refused


def refusal(given: Any) -> str:
    try:
        assert np.isfinite(fine(given).values).any()
    except GroklstError as error:
        return str(error)
    return ""


CALL = re.compile(r"(?:xarray\.DataArray\(lst|(?<![\w.'])lst[.\[]).*?(?=; |$)")
MENDED_BY_A_CALL = {
    *("numpy", "dataset", "layers", "bands", "days-of-bands", "odd-dimension", "no-CRS"),
    *("degrees-without-CRS", "strange-CRS", "unknown-dimensions", "row-twice"),
    *("rows-in-disorder", "rows-missing", "columns-uneven", "one-row", "coordinates-of-text"),
    *(
        "kilometres",
        "scan-angles",
        "coordinates-of-dates",
        "coordinate-missing",
        "scale-in-words",
        "scaled-or-not",
    ),
}


@pytest.mark.parametrize(("change", "error", "says"), NO_RASTERS)
def test_the_call_that_a_line_shows_mends_it(change, error, says, request):
    given, line, calls = change(lst_array()), "", 0
    while (line := refusal(given)) and (found := CALL.search(line)) and calls < 5:
        written = found[0].replace("EPSG:…", "EPSG:32647").replace("…", "*PLACE[:6]")
        names = {"lst": given, "numpy": np, "affine": affine, "xarray": xarray, "PLACE": PLACE}
        given = eval(written, names)  # our own line's
        calls += 1
    mended = request.node.callspec.id in MENDED_BY_A_CALL
    assert (line == "", calls > 0) == (mended, mended), line


def test_a_swath_becomes_a_grid_as_the_line_says():
    lst = swath(lst_array())
    rows, columns = np.meshgrid(in_degrees().lat, in_degrees().lon, indexing="ij")
    seen = scipy.interpolate.griddata(
        (lst.lat.values.ravel(), lst.lon.values.ravel()), lst.values.ravel(), (rows, columns)
    )
    assert fine(in_degrees().copy(data=seen).rio.write_crs("EPSG:4326")).rio.crs.to_epsg() == 4326


def test_a_unit_that_was_left_behind_can_be_overruled():
    with xarray.set_options(keep_attrs=True):
        celsius = lst_array().assign_attrs(units="K") - 273.15
    line = str(told(celsius))
    assert "K" in line
    assert "lst_units" in line
    made = groklst_cli.downscale(celsius, scale=2, method="bicubic", lst_units="C")
    assert made.attrs["units"] == "degC"
    np.testing.assert_allclose(made.values + 273.15, fine(lst_array()).values, atol=1e-3)


def test_arithmetic_of_a_scaled_array_can_be_told_in_both_ways():
    lst = lst_array()
    counts = ((lst - 149) / 0.01).assign_attrs(scale_factor=0.01, add_offset=149.0)
    applied = (lst).assign_attrs(scale_factor=0.01, add_offset=149.0)
    for given in (counts, applied):
        told(given)
    kept = applied.assign_attrs(scale_factor=1, add_offset=0)
    np.testing.assert_array_equal(fine(kept).values, fine(lst).values)


def file_without_decoding(tmp_path: Path) -> Path:
    path = tmp_path / "lst.nc"
    data = days(lst_array(), number=1).assign_coords(time=[np.datetime64("2024-06-26", "ns")])
    data.encoding["grid_mapping"] = "spatial_ref"
    data.to_dataset(name="LST").reset_coords("spatial_ref").to_netcdf(path, engine="scipy")
    return path


def test_netcdf_works_as_the_line_says(tmp_path):
    path = file_without_decoding(tmp_path)
    with xarray.open_dataset(path, engine="scipy") as opened:
        line = str(told(opened["LST"]))
    written = re.search(r"xarray\.open_dataset\(FILE, decode_coords='all'\)", line)
    assert written, line
    with eval(written[0], {"xarray": xarray, "FILE": path}) as opened:
        made = fine(opened["LST"])
    np.testing.assert_array_equal(made.values, fine(lst_array()).values)
    assert made.coords["time"].values == np.datetime64("2024-06-26")
    made.to_netcdf(tmp_path / "fine.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "fine.nc", engine="scipy", decode_coords="all") as again:
        assert again["LST"].rio.crs == UTM
        np.testing.assert_array_equal(again["LST"].values, made.values)


def test_a_date_of_one_is_kept_and_a_band_of_one_is_not():
    lst = days(days(lst_array(), "band", 1).assign_coords(band=[1]), number=1)
    made = fine(lst.assign_coords(time=[7]))
    assert made.dims == ("y", "x")
    assert made.coords["time"] == 7
    assert "band" not in made.coords


@pytest.mark.parametrize("names", [("lat", "lon"), ("Latitude", "Longitude"), ("Y", "X")])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_dimensions_by_their_usual_names_are_rows_and_columns(names, kind):
    lst = in_degrees(*names, kind).rio.set_spatial_dims(names[1], names[0])
    lst = lst.rio.write_crs("EPSG:4326")
    made = fine(xarray.DataArray(lst.variable, lst.coords))  # that knows nothing of the dimensions
    assert made.dims == names
    left, top = 120 - DEGREES / 2, 35 + DEGREES / 2
    expected = Affine(DEGREES / 2, 0, left, 0, -DEGREES / 2, top)
    assert made.rio.transform().almost_equals(expected, 1e-5)


def test_coordinates_may_be_rounded_to_32_bits_and_no_further():
    step = 0.0005  # at 120 degrees, 32 bits hold 0.0000076
    steps = np.arange(400) * step
    lst = xarray.DataArray(
        np.full((400, 400), 300.0) + np.eye(400),
        {"lat": (35 - steps).astype("f4"), "lon": (120 + steps).astype("f4")},
    ).rio.write_crs("EPSG:4326")
    assert fine(lst).rio.transform().a == pytest.approx(step / 2, rel=1e-4)
    coarser = lst.assign_coords(lon=lst.lon.values.astype("f8").round(3))
    assert "lon " in str(told(coarser))


def test_an_upside_down_and_a_transposed_array_are_the_same_land():
    lst, right = lst_array(), fine(lst_array())
    turned = fine(lst[::-1])
    np.testing.assert_allclose(turned.values[::-1], right.values, atol=1e-4)
    np.testing.assert_array_equal(fine(lst.transpose("x", "y")).values, right.values)


BAD_GUIDES = [
    bad("numpy", lambda red: red.values, UsageError, "guides is a numpy.ndarray", "DataArray("),
    bad("numpy by name", lambda red: {"red": red.values}, UsageError, "red is a numpy.ndarray"),
    bad("path", lambda red: "red.tif", UsageError, "guides is a str", "open_rasterio('red.tif')"),
    bad("paths", lambda red: ["red.tif"], UsageError, "guide 1 is a str", "open_rasterio"),
    bad("datasets", lambda red: {"s2": red.to_dataset()}, UsageError, "s2 is a Dataset of red"),
    bad("no name", lambda red: [red.rename(None)], UsageError, "guide 1 has no name", "rename("),
    bad("one of no name", lambda red: red.rename(None), UsageError, "guide 1 has no name"),
    bad(
        "dates of bands",
        lambda red: [days(days(red), "band", 2)],
        InputError,
        "red has dimensions band, time, y, x",
        "red.isel(band=0)",
    ),
    bad(
        "bounds of time",
        lambda red: red.to_dataset().assign(time_bnds=(("time", "nv"), np.zeros((1, 2)))),
        InputError,
        "time_bnds has dimensions time, nv",
        "guides.drop_vars('time_bnds')",
    ),
    bad(
        "no CRS",
        lambda red: {"my red": red.drop_vars("spatial_ref")},
        InputError,
        "my red has no CRS",
        "array.rio.write_crs(",
    ),
]


@pytest.mark.parametrize(("change", "error", "says"), BAD_GUIDES)
def test_what_is_no_guide_is_refused(change, error, says):
    refused = told(lst_array(), change(lst_array().rename("red")))
    assert type(refused) is error
    assert re.search(".*".join(map(re.escape, says)), str(refused)), refused


def test_a_result_says_what_it_is_in_the_words_of_cf():
    made = fine(lst_array().rename(None))
    assert made.name == "lst"
    assert made.attrs["standard_name"] == "surface_temperature"
    assert made.attrs["long_name"] == "land surface temperature"
    assert made.x.attrs["standard_name"] == "projection_x_coordinate"
    assert fine(lst_array()).name == "LST"
    named = fine(lst_array().assign_attrs(long_name="skin temperature", units="K"))
    assert (named.attrs["long_name"], named.attrs["units"]) == ("skin temperature", "K")


def test_an_input_is_left_as_it_was():
    lst = in_degrees().rio.write_crs("EPSG:4326", grid_mapping_name="spatial_ref")
    before = lst.copy(deep=True)
    fine(lst)
    xarray.testing.assert_identical(lst, before)


def test_a_result_is_written_under_its_name(tmp_path):
    fine(lst_array()).rio.to_raster(tmp_path / "fine.tif")
    opened = rioxarray.open_rasterio(tmp_path / "fine.tif")
    assert opened.attrs["long_name"] == "land surface temperature"


def test_the_package_shows_what_it_can_before_it_is_loaded():
    says = "import sys, groklst_cli; print('downscale' in dir(groklst_cli), 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
