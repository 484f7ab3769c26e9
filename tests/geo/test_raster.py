import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.raster import LstSource, to_physical

GRID = Affine(240, 0, 500000, 0, -240, 4390000)
ALL = slice(0, 6)


def kelvin() -> np.ndarray:
    return np.linspace(280, 320, 30).reshape(6, 5).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.tif", BandSource("a.tif")),
        ("red=a.tif", BandSource("a.tif", "red")),
        ("red=a.tif,band=3", BandSource("a.tif", "red", 3)),
        ("s3/b=c.tif,band=2", BandSource("s3/b=c.tif", None, 2)),
        ("/vsicurl/http://x/y.tif?a=b", BandSource("/vsicurl/http://x/y.tif?a=b")),
    ],
)
def test_band_sources_are_read(text, expected):
    assert BandSource.parse(text) == expected


def test_an_existing_file_is_only_a_file(tmp_path):
    odd = tmp_path / "red=x,band=2"
    odd.touch()
    assert BandSource.parse(str(odd)) == BandSource(str(odd))


def test_band_zero_is_refused():
    with pytest.raises(UsageError, match="from 1"):
        BandSource.parse("a.tif,band=0")


@pytest.mark.parametrize(
    ("values", "options", "units", "come_from"),
    [
        (kelvin(), {}, "K", "values"),
        (kelvin() - np.float32(273.15), {}, "C", "values"),
        (kelvin(), {"tags": {"units": "Kelvin"}}, "K", "tags"),
        (kelvin() - np.float32(273.15), {"tags": {"unit": "degC"}}, "C", "tags"),
        ((kelvin() * 100).astype("uint16"), {"scale": 0.01}, "K", "values"),
        ((kelvin() * 50 - 7000).astype("int16"), {"scale": 0.02, "offset": 140.0}, "K", "values"),
    ],
)
def test_units_are_found_and_values_come_in_kelvin(write_raster, values, options, units, come_from):
    lst = LstSource(BandSource(write_raster("lst.tif", values, GRID, **options)))
    assert (lst.units, lst.units_from) == (units, come_from)
    np.testing.assert_allclose(lst.read(ALL), kelvin(), atol=0.03)
    assert lst.mean == pytest.approx(300, abs=0.05)
    assert lst.valid == 30


@pytest.mark.parametrize(
    ("values", "options", "units"),
    [
        ((kelvin() * 100).astype("uint16"), {}, None),  # scaled, but nothing says how
        (np.where(kelvin() > 300, 0, kelvin()), {}, None),  # nodata that is not declared
        (kelvin(), {"tags": {"units": "celsius"}}, None),  # a tag that lies
        (kelvin(), {}, "C"),  # an option that lies
    ],
)
def test_units_that_cannot_be_told_or_lie_are_refused(write_raster, values, options, units):
    path = write_raster("lst.tif", values, GRID, **options)
    with pytest.raises(InputError, match=r"--lst-units|--src-nodata|,scaling="):
        LstSource(BandSource(path), units)


@pytest.mark.parametrize("how", ["value", "nan", "mask", "alpha", "infinite"])
def test_missing_pixels_are_nan_however_they_are_marked(write_raster, how):
    values, gaps = kelvin(), np.zeros((6, 5), bool)
    gaps[2:4, 1] = True
    options = {}
    if how == "value":
        values[gaps], options = -9999, {"nodata": -9999}
    elif how == "nan":
        values[gaps] = np.nan
    elif how == "infinite":
        values[gaps] = np.inf
    elif how == "mask":
        options = {"mask": np.where(gaps, 0, 255).astype("uint8")}
    else:
        values = np.stack([values, np.where(gaps, 0, 255)]).astype(np.float32)
        options = {"alpha": "unspecified"}
    path = write_raster("lst.tif", values, GRID, **options)
    if how == "alpha":
        import rasterio

        with rasterio.open(path, "r+") as raster:
            raster.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    lst = LstSource(BandSource(path))
    np.testing.assert_array_equal(np.isnan(lst.read(ALL)), gaps)
    assert lst.valid == 28


@pytest.mark.parametrize(
    ("name", "values", "options", "says"),
    [
        ("two.tif", np.stack([kelvin()] * 2), {}, "2 bands"),
        ("empty.tif", np.full((6, 5), np.nan, "f4"), {}, "no valid pixel"),
        ("complex.tif", kelvin().astype("complex64"), {}, "complex"),
        ("nowhere.tif", kelvin(), {"crs": None}, "no CRS"),
    ],
)
def test_unusable_rasters_are_refused_with_a_reason(write_raster, name, values, options, says):
    with pytest.raises(InputError, match=says):
        LstSource(BandSource(write_raster(name, values, GRID, **options)))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_geotransform_is_refused(write_raster):
    with pytest.raises(InputError, match="geotransform"):
        LstSource(BandSource(write_raster("flat.tif", kelvin(), Affine.identity())))


def test_one_band_of_several_can_be_named(write_raster):
    path = write_raster("two.tif", np.stack([kelvin() * 0, kelvin()]), GRID)
    assert LstSource(BandSource.parse(f"{path},band=2")).mean == pytest.approx(300, abs=0.01)
    with pytest.raises(InputError, match="no band 3"):
        LstSource(BandSource.parse(f"{path},band=3"))


def test_files_that_are_no_rasters_are_refused(tmp_path):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0 this is no TIFF")
    for path in (broken, tmp_path / "absent.tif"):
        with pytest.raises(InputError, match="cannot be read"):
            LstSource(BandSource(str(path)))


def test_a_geographic_crs_will_do(write_raster):
    world = Affine(0.002, 0, 99, 0, -0.002, 39)
    path = write_raster("lst.tif", kelvin(), world, crs=CRS.from_epsg(4326))
    assert LstSource(BandSource(path)).grid.crs.is_geographic


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-4, 0.0), (0.02, 140.0)])
def test_values_are_rounded_once_wherever_they_are_put(kind, scale, offset):
    raw = np.random.default_rng(3).integers(0, 200, (5, 7)).astype(kind)
    expected = (raw.astype(np.float64) * scale + offset).astype(np.float32)
    place = np.empty((5, 9), np.float32)
    assert np.shares_memory(to_physical(raw, scale, offset, place[:, 1:8]), place)
    np.testing.assert_array_equal(place[:, 1:8], expected)
    np.testing.assert_array_equal(to_physical(raw, scale, offset), expected)
