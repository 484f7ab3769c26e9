"""LST rasters that are odd but right: the result stands where it should, in its unit, whole."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from groklst_cli.geo.units import CELSIUS_ZERO
from tests.trust.rasters import COARSE, SCALE, WGS84, Maker, lst, write
from tests.trust.refusal import groklst

HOLE = (5, 6)
LANDSAT = (0.00341802, 149.0)  # Collection 2, ST_B10: scale and offset to kelvin
ROWS, COLUMNS = 11, 13


def plane(rows: int = ROWS, columns: int = COLUMNS, scale: int = 1) -> np.ndarray:
    """Sample 300 + 0.3 · column − 0.2 · row, counted in coarse pixels, at pixel centres."""
    row, column = np.mgrid[0 : rows * scale, 0 : columns * scale] + 0.5
    return np.asarray(300 + (0.3 * column - 0.2 * row) / scale)


def holed(hole: float = np.nan, dtype: str = "float32", *, by: tuple[float, float] = (1, 0)):
    """Store the plane by a scale and an offset, with one pixel missing."""
    stored = (plane() - by[1]) / by[0]
    stored = (np.rint(stored) if np.dtype(dtype).kind in "iu" else stored).astype(dtype)
    stored[HOLE] = hole
    return stored


def scaled(dtype: str, scale: float, offset: float, nodata: float) -> Maker:
    values = holed(nodata, dtype, by=(scale, offset))
    return lst(values, nodata=nodata, scale=scale, offset=offset)


def gtiff(**options: object) -> Maker:
    return lst(holed(), **options)


def celsius(word: str, *, tag: bool = False) -> Maker:
    says = {"tags": {"units": word}} if tag else {"units": word}
    return lst(holed() - np.float32(CELSIUS_ZERO), **says)


def copied(driver: str, name: str, **options: str) -> Maker:
    """Make the plane with a hole in another format, under the name ``lst`` of that format."""

    def make(folder: Path) -> None:
        made = write(folder / "made.tif", holed(-9999), nodata=-9999, units="K")
        rasterio.shutil.copy(made, folder / name, driver=driver, **options)
        if driver != "VRT":
            made.unlink()

    return make


def internal_mask(folder: Path) -> None:
    mask = np.full((ROWS, COLUMNS), 255, np.uint8)
    mask[HOLE] = 0
    write(folder / "lst.tif", holed(301), mask=mask)


def alpha(folder: Path) -> None:
    mask = np.full((ROWS, COLUMNS), 255, np.float32)
    mask[HOLE] = 0
    path = write(folder / "lst.tif", np.stack([holed(301), mask]))
    with rasterio.open(path, "r+") as raster:
        raster.colorinterp = (ColorInterp.gray, ColorInterp.alpha)


def two_bands(folder: Path) -> None:
    write(folder / "lst.tif", np.stack([holed() * 0, holed()]), interleave="band")


ROTATED = Affine.translation(5e5, 4e6) * Affine.rotation(30) * Affine.scale(240, -240)
SINUSOIDAL = CRS.from_proj4("+proj=sinu +R=6371007.181 +units=m")
KELVIN_WORDS = ("K", "kelvin", "Kelvin", "degK", "deg_K", "Degrees Kelvin", " kelvins ", "1", "")
CELSIUS_WORDS = ("C", "°C", "℃", "celsius", "Celsius", "degC", "deg C", "degrees_Celsius")

MAKERS: list[tuple[str, Maker, float]] = [
    ("tiled", gtiff(tiled=True, blockxsize=16, blockysize=16, compress="lzw"), 0),
    ("striped", gtiff(blockysize=1), 0),
    ("BigTIFF", gtiff(BIGTIFF="YES"), 0),
    ("big-endian", gtiff(ENDIANNESS="BIG"), 0),
    ("sparse", gtiff(SPARSE_OK="TRUE", tiled=True, blockxsize=16, blockysize=16), 0),
    ("rotated", gtiff(transform=ROTATED), 0),
    ("south-up", gtiff(transform=Affine(240, 0, 5e5, 0, 240, 4e6)), 0),
    ("oblong", gtiff(transform=Affine(240, 0, 5e5, 0, -100, 4e6)), 0),
    ("degrees", gtiff(crs=WGS84, transform=Affine(0.01, 0, 99, 0, -0.01, 39)), 0),
    ("0 to 360", gtiff(crs=WGS84, transform=Affine(0.02, 0, 359.9, 0, -0.02, 39)), 0),
    ("date line", gtiff(crs=WGS84, transform=Affine(0.02, 0, 179.9, 0, -0.02, 39)), 0),
    ("date line, west", gtiff(crs=WGS84, transform=Affine(0.02, 0, -180.1, 0, -0.02, 39)), 0),
    ("whole world", gtiff(crs=WGS84, transform=Affine(360 / 13, 0, -180, 0, -180 / 11, 90)), 0),
    ("North Pole", gtiff(crs=CRS.from_epsg(3413), transform=Affine(5e3, 0, -3e4, 0, -5e3, 3e4)), 0),
    ("South Pole", gtiff(crs=CRS.from_epsg(3031), transform=Affine(5e3, 0, -3e4, 0, -5e3, 3e4)), 0),
    ("sinusoidal", gtiff(crs=SINUSOIDAL), 0),
    ("site CRS", gtiff(crs=CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')), 0),
    ("float64", lst(holed(dtype="float64")), 0),
    ("Landsat", scaled("uint16", *LANDSAT, 0), LANDSAT[0] / 2),
    ("MODIS", scaled("uint16", 0.02, 0, 0), 0.01),
    ("int16", scaled("int16", 0.01, 273.15, -9999), 0.005),
    ("int32", scaled("int32", 1e-3, 0, -(2**31)), 5e-4),
    ("uint8", scaled("uint8", 0.05, 295, 255), 0.025),
    ("int8", scaled("int8", 0.1, 300, -128), 0.05),
    ("int64", scaled("int64", 1e-6, 0, -1), 1e-5),
    ("uint64", scaled("uint64", 1e-6, 0, 0), 1e-5),
    ("12 bits", lst(holed(0, "uint16", by=(0.1, 0)), nodata=0, scale=0.1, NBITS=12), 0.05),
    ("kelvin*10", lst(holed(0, "uint16", by=(0.1, 0)), nodata=0, scale=0.1, units="K * 10"), 0.05),
    ("finite nodata", lst(holed(-9999), nodata=-9999), 0),
    ("largest float as nodata", lst(holed(np.finfo("f4").min), nodata=np.finfo("f4").min), 0),
    ("NaN beside finite nodata", gtiff(nodata=-9999), 0),
    ("infinite", lst(holed(np.inf)), 0),
    ("minus infinite", lst(holed(-np.inf), nodata=-9999), 0),
    ("internal mask", internal_mask, 0),
    ("alpha", alpha, 0),
    ("ENVI", copied("ENVI", "lst.bil", INTERLEAVE="BIL"), 0),
    ("EHdr", copied("EHdr", "lst.flt"), 0),
    ("HFA", copied("HFA", "lst.img"), 0),
    ("VRT", copied("VRT", "lst.vrt"), 0),
]


def check(folder: Path, result: Path, units: str, error: float) -> None:
    """Compare a result with the plane; no fine pixel is missing but those under the hole."""
    (source,) = [p for p in folder.glob("lst.*") if p.suffix not in (".xml", ".hdr", ".prj")]
    with rasterio.open(source) as coarse, rasterio.open(result) as fine:
        assert fine.crs == coarse.crs
        assert fine.transform.almost_equals(coarse.transform * Affine.scale(1 / SCALE), 1e-9)
        assert fine.units == ({"K": "K", "C": "degC"}[units],)
        values = fine.read(1)
    expected = plane(scale=SCALE) - (CELSIUS_ZERO if units == "C" else 0)
    gap = np.zeros((ROWS, COLUMNS), bool)
    gap[HOLE] = True
    np.testing.assert_array_equal(np.isnan(values), gap.repeat(SCALE, 0).repeat(SCALE, 1))
    assert (
        np.nanmax(np.abs(values - expected)) < 1e-3 + 4 * error
    )  # towards the border rounding grows


@pytest.mark.parametrize(("name", "make", "error"), MAKERS, ids=[row[0] for row in MAKERS])
def test_an_odd_lst_comes_out_right(name, make, error, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    (source,) = [p for p in tmp_path.glob("lst.*") if p.suffix not in (".xml", ".hdr", ".prj")]
    assert groklst("downscale", source.name, "out.tif", "-s", str(SCALE), "-q") == 0
    assert capfd.readouterr() == ("out.tif\n", "")
    check(tmp_path, tmp_path / "out.tif", "K", error)


@pytest.mark.parametrize("word", KELVIN_WORDS + CELSIUS_WORDS)
@pytest.mark.parametrize("tag", [False, True], ids=["band", "tag"])
def test_units_are_understood_however_they_are_spelt(word, tag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    units = "K" if word in KELVIN_WORDS else "C"
    if units == "C":
        celsius(word, tag=tag)(tmp_path)
    else:
        lst(holed(), **({"tags": {"UNITS": word}} if tag else {"units": word}))(tmp_path)
    assert groklst("downscale", "lst.tif", "out.tif", "-s", str(SCALE), "-q") == 0
    check(tmp_path, tmp_path / "out.tif", units, 1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 1), (1, 2), (2, 2)])
def test_the_smallest_scenes_come_out_whole(shape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", plane(*shape).astype(np.float32))
    for method in ("auto", "bicubic"):
        typed = ("lst.tif", f"{method}.tif", "-s", str(SCALE), "-q", "-m", method)
        assert groklst("downscale", *typed) == 0
        with rasterio.open(f"{method}.tif") as fine:
            assert fine.shape == (shape[0] * SCALE, shape[1] * SCALE)
            assert fine.transform == COARSE * Affine.scale(1 / SCALE)
            blocks = fine.read(1).reshape(shape[0], SCALE, shape[1], SCALE)
        np.testing.assert_allclose(blocks.mean((1, 3)), plane(*shape), atol=0.02)


def test_one_band_of_several_is_the_lst(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two_bands(tmp_path)
    assert groklst("downscale", "lst.tif,band=2", "out.tif", "-s", str(SCALE), "-q") == 0
    check(tmp_path, tmp_path / "out.tif", "K", 0)


@pytest.mark.parametrize(
    "name", ["-x.tif", "a b'c\".tif", "температура ☀.tif", "100%d.tif", "a=b.tif"]
)
def test_any_name_will_do(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, holed())
    assert groklst("downscale", "-q", "-s", str(SCALE), "--", name, "out.tif") == 0
    assert groklst("downscale", "-q", "-s", str(SCALE), f"./{name}") == 0
    assert (tmp_path / f"{Path(name).stem}_x{SCALE}.tif").read_bytes()
