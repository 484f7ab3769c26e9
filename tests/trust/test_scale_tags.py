"""Scale and offset tags that were applied before: both readings are said, and a word settles it."""

import numpy as np
import pytest
import rasterio

from tests.trust.rasters import FINE, write
from tests.trust.refusal import refuse
from tests.trust.value_cases import SHARP, advised, bad, complaint, follow, kelvin, scene

LANDSAT = {"scale": 0.00341802, "offset": 149.0}
GUIDED = "lst.tif -g guide.tif"
FLOATS = {
    "LST of Landsat": scene(**LANDSAT),
    "LST of MODIS": scene(scale=0.02),
    "LST in hundredths": scene(scale=0.01),
    "celsius in tenths": scene((kelvin() - 273.15).astype(np.float32), scale=0.1),
    "kelvin in double": scene(kelvin().astype(np.float64), scale=0.02),
}
REFLECTANCE = {
    "reflectance": scene(guide=SHARP * 0.6, scale=1e-4),
    "reflectance of Landsat": scene(guide=SHARP * 0.6, scale=2.75e-5, offset=-0.2),
    "reflectance on another grid": scene(
        guide=SHARP * 0.6, scale=1e-4, transform=FINE * FINE.translation(0.3, 0.4)
    ),
}
ROWS = [
    *(bad(n, m, "holds floats from", "lst.tif,scaling=none, else") for n, m in FLOATS.items()),
    *(
        bad(name, make, "holds floats from", "-g guide.tif,scaling=none, else", typed=GUIDED)
        for name, make in REFLECTANCE.items()
    ),
    bad("scaling in words", scene(), "neither tags, none", typed="lst.tif,scaling=x", code=2),
    bad("scaling by 0", scene(), "neither tags, none", typed="lst.tif,scaling=0", code=2),
    bad("scaling by infinity", scene(), "scaling", typed="lst.tif,scaling=1e999", code=2),
    bad("scaling twice", scene(), "twice", typed="lst.tif,scaling=2,scaling=3", code=2),
    bad("no file before a suffix", scene(), "names no file", typed=",scaling=2", code=2),
]


@pytest.mark.parametrize(("make", "case"), ROWS)
def test_tags_applied_twice_are_one_line(make, case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    refuse(case, capsys)


@pytest.mark.parametrize("name", FLOATS)
def test_an_lst_taken_as_stored_comes_out_as_without_tags(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    FLOATS[name](tmp_path)
    line = complaint(capsys, "lst.tif")
    follow(*advised(line, r"already, write (\S+),"), "said.tif")
    with rasterio.open("lst.tif", "r+") as raster:
        raster.scales, raster.offsets = (1.0,), (0.0,)
    follow("lst.tif", "plain.tif")
    with rasterio.open("said.tif") as said, rasterio.open("plain.tif") as plain:
        np.testing.assert_array_equal(said.read(), plain.read())


@pytest.mark.parametrize("name", REFLECTANCE)
@pytest.mark.parametrize("way", [r"already, write -g (\S+),", r"else -g (\S+)\n"])
def test_a_guide_is_read_as_the_line_says(name, way, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    REFLECTANCE[name](tmp_path)
    line = complaint(capsys, "lst.tif", "-g", "guide.tif")
    follow("lst.tif", "o.tif", "-g", *advised(line, way))


@pytest.mark.parametrize(
    "options",
    [{"scale": 0.00341802, "offset": 149.0}, {"scale": 0.02}, {"scale": 0.1}],
)
def test_floats_of_stored_numbers_are_scaled_by_their_tags(options, tmp_path, monkeypatch):
    """Warping turns stored integers to floats, which are no temperatures before their tags."""
    monkeypatch.chdir(tmp_path)
    stored = (kelvin() - options.get("offset", 0)) / options["scale"]
    write(tmp_path / "lst.tif", np.round(stored).astype(np.float32), **options)
    follow("lst.tif", "o.tif")
    with rasterio.open("o.tif") as result:
        assert abs(result.read().mean() - kelvin().mean()) < 0.1
