"""What a first mend left open: nested VRTs, a second fill, whole numbers with tags, indices."""

import os
import re

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401
import xarray as xr
from rasterio.crs import CRS

from groklst_cli import downscale
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.fills import fill_of_lst
from groklst_cli.geo.opening import files_of, open_raster
from groklst_cli.geo.summary import ValueSummary
from tests.trust.rasters import COARSE, FINE, write
from tests.trust.refusal import case, groklst, refuse
from tests.trust.value_cases import (
    CELSIUS,
    HOLES,
    OUTSIDE,
    SHARP,
    advised,
    bad,
    command,
    complaint,
    follow,
    kelvin,
    scene,
    shell,
)

GUIDED = "lst.tif -g guide.tif"
WHOLE = np.round(kelvin()).astype(np.uint16)
STEPS = np.round(kelvin() / 0.02).astype(np.uint16)
INDEX = (2 * SHARP - 1).astype(np.float32)
TWO = np.where(HOLES, -9999, SHARP).astype(np.float32)
TWO[-8:, -8:] = 32767
ROWS = [
    bad("whole kelvin with a scale", scene(WHOLE, scale=0.02), "whole numbers", "scaling=none"),
    bad(
        "whole kelvin with tags of Landsat",
        scene(WHOLE, scale=0.00341802, offset=149.0),
        "whole numbers",
        "lst.tif,scaling=none, else",
    ),
    bad(
        "an index with a scale",
        scene(guide=INDEX, scale=1e-4),
        "holds floats from -",
        "-g guide.tif,scaling=none, else",
        typed=GUIDED,
    ),
    bad(
        "65535 of scaled numbers",
        scene(np.where(OUTSIDE, 65535, STEPS).astype(np.uint16), scale=0.02),
        "exactly 65535 and",
        "--src-nodata 65535",
    ),
    bad(
        "400 K of a saturated sensor",
        scene(np.where(OUTSIDE, 400, kelvin()).astype(np.float32)),
        "exactly 400 and",
        "--src-nodata 400",
    ),
]
FAHRENHEIT = (kelvin() * 1.8 - 459.67).astype(np.float32)
TENTHS = np.round(kelvin() * 10).astype(np.uint16)
OTHER_UNITS = {
    "degF": scene(FAHRENHEIT, units="degF"),
    "Fahrenheit": scene(FAHRENHEIT, units="degrees Fahrenheit"),
    "K*10": scene(TENTHS, units="K*10"),
    "kelvin x 10": scene(TENTHS, units="kelvin x 10"),
}


@pytest.mark.parametrize(("make", "case"), ROWS)
def test_a_second_look_is_one_line(make, case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    refuse(case, capsys)


def test_tenths_of_degrees_stay_what_their_tags_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scene(np.round(CELSIUS * 10).astype(np.int16), scale=0.1)(tmp_path)
    follow("lst.tif", "o.tif")


def test_a_warm_roof_is_no_fill():
    roofs = np.concatenate([np.linspace(290, 310, 960), np.full(40, 330.0)])
    assert fill_of_lst(ValueSummary.of(roofs)) is None


def test_a_second_fill_of_an_lst_is_mended_as_the_line_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    values = np.where(OUTSIDE, -9999, kelvin()).astype(np.float32)
    values[-1, -4:] = 0
    scene(values)(tmp_path)
    (first,) = advised(complaint(capsys, "lst.tif"), r"add --src-nodata (\S+);")
    line = complaint(capsys, "lst.tif", "--src-nodata", first)
    (declaration,) = re.findall(r"with: (rio .+?) ; then", line)
    shell(declaration)
    follow("lst.tif", "o.tif", *advised(line, r"then add (--src-nodata \S+);"))


def test_a_second_fill_of_a_guide_is_mended_as_the_line_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene(guide=TWO)(tmp_path)
    (first,) = advised(complaint(capsys, "lst.tif", "-g", "guide.tif"), r"write -g (\S+);")
    line = complaint(capsys, "lst.tif", "-g", first)
    (declaration,) = re.findall(r"with: (rio .+?) ; then", line)
    shell(declaration)
    follow("lst.tif", "o.tif", "-g", *advised(line, r"then write -g (\S+);"))


VRT = (
    '<VRTDataset rasterXSize="48" rasterYSize="40"><SRS>EPSG:32647</SRS>'
    "<GeoTransform>500000,60,0,4390000,0,-60</GeoTransform>"
    '<VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
    '<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand>'
    "</SimpleSource></VRTRasterBand></VRTDataset>"
)


@pytest.fixture
def nested(tmp_path, monkeypatch):
    """A guide that is a VRT of a VRT of a raster."""
    monkeypatch.chdir(tmp_path)
    scene()(tmp_path)
    for depth, source in enumerate(("guide.tif", "vrt0.vrt", "vrt1.vrt")):
        (tmp_path / f"vrt{depth}.vrt").write_text(VRT.format(source))
    return tmp_path


def test_the_sources_of_sources_are_found(nested):
    with open_raster("vrt2.vrt") as opened:
        names = {os.path.basename(name) for name in files_of(opened)}
    assert names == {"vrt2.vrt", "vrt1.vrt", "vrt0.vrt", "guide.tif"}


def test_a_change_below_nested_vrts_is_seen(nested, capsys):
    follow("lst.tif", "o.tif", "-g", "vrt1.vrt")
    write(nested / "guide.tif", 1 - SHARP, FINE)
    typed = command("lst.tif", "o.tif", "-g", "vrt1.vrt", "--skip-existing")
    assert groklst(*typed) == 4
    assert "inputs, options or the version changed" in capsys.readouterr().err


def test_a_raster_below_nested_vrts_is_never_replaced(nested, capsys):
    typed = "lst.tif -o guide.tif --overwrite -g vrt1.vrt"
    spared = case("nested source", command(*typed.split(" ")), 2, "guide.tif is an input too")
    refuse(spared.values[0], capsys)


def test_a_reference_below_nested_vrts_is_never_a_guide(nested, capsys):
    (nested / "guide.tif").rename(nested / "reference_lst.tif")
    inner = nested / "inner"
    inner.mkdir()
    (inner / "a.vrt").write_text(VRT.format("../reference_lst.tif"))
    (nested / "b.vrt").write_text(VRT.format("inner/a.vrt"))
    for depth in range(3):
        (nested / f"vrt{depth}.vrt").unlink()
    refuse(case("leak", command(".", "o.tif"), 3, "b.vrt is made of").values[0], capsys)


def test_a_guide_in_the_outputs_place_is_said_to_want_its_own_g(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene()(tmp_path)
    typed = command(*["lst.tif", "-g", "guide.tif", "other.tif", "-o", "o.tif"])
    refuse(case("two", typed, 2, "two outputs", "-g other.tif").values[0], capsys)


SITE = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')


def test_a_guide_of_another_site_is_one_line_without_a_scale_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", kelvin())
    write(tmp_path / "guide.tif", SHARP, FINE, SITE)
    typed = "downscale lst.tif o.tif -g guide.tif -m ridge"
    refuse(case("site", typed, 3, "no transformation is known from", "guide.tif").values[0], capsys)


def test_a_reference_of_another_site_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", kelvin())
    write(tmp_path / "truth.tif", kelvin(), crs=SITE)
    typed = "evaluate --pred lst.tif --ref truth.tif"
    refuse(case("site", typed, 3, "no transformation is known from", "truth.tif").values[0], capsys)


def test_metres_of_a_site_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    write(tmp_path / "one" / "lst.tif", kelvin(), crs=SITE)
    write(tmp_path / "one" / "nir.tif", kelvin(), crs=SITE)
    typed = "prepare one --out set -s 2 --native-resolution 100m"
    refuse(
        case("site", typed, 3, "metres are not known in", "--native-resolution 3").values[0],
        capsys,
    )


@pytest.mark.parametrize("word", OTHER_UNITS)
def test_another_unit_is_converted_as_the_line_says(word, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    OTHER_UNITS[word](tmp_path)
    line = complaint(capsys, "lst.tif")
    typed, units = re.findall(r"write (\S+)(?: with (--lst-units C),)?", line)[0]
    follow(typed, "o.tif", *units.split())
    with rasterio.open("o.tif") as made:
        kelvins = made.read().mean() + (273.15 if made.units[0] == "degC" else 0)
    assert abs(kelvins - kelvin().mean()) < 0.2


def test_an_array_of_whole_numbers_with_a_scale_is_told_in_python():
    stored = placed(WHOLE).assign_attrs(scale_factor=0.02)
    with pytest.raises(InputError, match="whole numbers") as caught:
        downscale(stored, method="bicubic")
    assert "lst.assign_attrs(scale_factor=1, add_offset=0)" in str(caught.value)
    assert "scaling=" not in str(caught.value)
    assert downscale(stored.assign_attrs(scale_factor=1), method="bicubic", lst_units="K").size


def placed(values: np.ndarray) -> xr.DataArray:
    array = xr.DataArray(values, dims=("y", "x"))
    return array.rio.write_transform(COARSE).rio.write_crs("EPSG:32647")


@pytest.mark.parametrize("scale", [2.5, 8.0, "8", True, np.float32(4)])
def test_a_scale_that_is_not_whole_is_one_line_in_python(scale):
    with pytest.raises(UsageError, match="expected a whole number"):
        downscale(placed(kelvin()), method="bicubic", scale=scale)


def test_a_scale_of_numpy_is_a_scale():
    own = downscale(placed(kelvin()), method="bicubic", scale=4)
    xr.testing.assert_identical(
        downscale(placed(kelvin()), method="bicubic", scale=np.int64(4)), own
    )
