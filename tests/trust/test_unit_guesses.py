"""A unit is guessed only of values that can be of one; else the line asks, and its advice works."""

import json

import numpy as np
import pytest
import rasterio

from tests.trust.rasters import detail, write
from tests.trust.refusal import groklst, refuse
from tests.trust.value_cases import (
    CELSIUS,
    SHARP,
    advised,
    bad,
    complaint,
    follow,
    kelvin,
    scene,
    shell,
)

TENTHS = np.round(CELSIUS * 10).astype(np.int16)
WARM = np.round(CELSIUS * 9 / 5 + 32 + 10).astype(np.float32) + np.float32(0.5)
SCALED = {
    "celsius in tenths": (TENTHS, "0.1", "°C × 10"),
    "celsius in hundredths": (np.round(CELSIUS * 100).astype(np.int16), "0.01", "°C × 100"),
    "kelvin in tenths": (np.round(kelvin() * 10).astype(np.uint16), "0.1", "kelvin × 10"),
    "kelvin in hundredths": (np.round(kelvin() * 100).astype(np.uint16), "0.01", "kelvin × 100"),
    "kelvin in hundredths as floats": (kelvin() * 100, "0.01", "kelvin × 100"),
    "numbers of MODIS": (np.round(kelvin() / 0.02).astype(np.uint16), "0.02", "MODIS"),
    "numbers of Landsat": (
        np.round((kelvin() - 149) / 0.00341802).astype(np.uint16),
        "0.00341802+149",
        "Landsat",
    ),
    "fahrenheit": (WARM, "0.55555556-17.777778", "°F"),
}
INDEX = (SHARP[::4, ::4] * 1.2 - 0.2).astype(np.float32)


def named(name: str, values: np.ndarray, **options):
    return lambda folder: write(folder / name, values, **options)


def described(text: str, values: np.ndarray):
    def make(folder):
        with rasterio.open(write(folder / "lst.tif", values), "r+") as raster:
            raster.set_band_description(1, text)

    return make


ROWS = [
    *(
        bad(name, scene(values), f"lst.tif,scaling={way} if they are", what)
        for name, (values, way, what) in SCALED.items()
    ),
    bad("whole kelvin", scene(np.round(kelvin()).astype(np.int16)), "whole", "--lst-units K"),
    bad("whole celsius", scene(np.round(CELSIUS).astype(np.uint8)), "whole", "--lst-units C"),
    bad("index", scene(INDEX), "looks like an index", "--lst-units C"),
    bad(
        "nir by file", named("nir.tif", CELSIUS), "is called nir", "--lst-units C", typed="nir.tif"
    ),
    bad(
        "red of Sentinel-2",
        named("T32_B04_10m.tif", CELSIUS),
        "is called b04",
        typed="T32_B04_10m.tif",
    ),
    bad("ndvi by description", described("NDVI", CELSIUS), "is called ndvi"),
    bad("emissivity", scene((0.95 + 0.04 * INDEX).astype(np.float32)), "an index or a reflectance"),
    bad("hot celsius", scene(CELSIUS + np.float32(60)), "unusual for °C", "--lst-units C"),
    bad(
        "K of tenths",
        scene(np.round(kelvin() * 10).astype(np.uint16)),
        "allows 150 to 600; write lst.tif,scaling=0.1",
        typed="lst.tif --lst-units K",
    ),
    bad("K of celsius", scene(CELSIUS), "add --lst-units C", typed="lst.tif --lst-units K"),
    bad("K of an index", scene(INDEX), "--lst-units C", typed="lst.tif --lst-units K"),
]


@pytest.mark.parametrize(("make", "case"), ROWS)
def test_what_can_be_two_things_is_asked_in_one_line(make, case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    refuse(case, capsys)


@pytest.mark.parametrize("name", SCALED)
def test_the_scaling_that_the_line_names_makes_temperatures(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    values, way, _ = SCALED[name]
    scene(values)(tmp_path)
    complaint(capsys, "lst.tif")
    follow(f"lst.tif,scaling={way}", "o.tif")
    with rasterio.open("o.tif") as result:
        mean = result.read().mean()
        wanted = 273.15 if result.units[0] == "K" else 0
        factor, offset = (0.55555556, -17.777778) if "-" in way else (None, None)
        true = values.mean() * factor + offset if factor else CELSIUS.mean()
        assert abs(mean - wanted - true) < 0.1


@pytest.mark.parametrize("values", [np.round(kelvin()).astype(np.int16), INDEX, CELSIUS + 60])
def test_the_unit_that_the_line_names_is_taken(values, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene(values.astype(values.dtype))(tmp_path)
    line = complaint(capsys, "lst.tif")
    follow("lst.tif", "o.tif", *advised(line, r"add (--lst-units [KC])"))


def test_info_says_that_it_is_not_an_lst_and_why(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene(TENTHS)(tmp_path)
    assert groklst("info", "--json", "lst.tif") == 0
    assert json.loads(capsys.readouterr().out)[0]["as_lst"].startswith("no: lst.tif holds values")
    assert groklst("info", "--json", "lst.tif,scaling=0.1") == 0
    assert "valid pixels in C" in json.loads(capsys.readouterr().out)[0]["as_lst"]


def test_a_temperature_in_the_name_outweighs_a_colour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "red_river_lst.tif", kelvin())
    follow("red_river_lst.tif", "o.tif")


CODES = np.array([10, 50, 80, 30, 95], np.uint8)[np.digitize(detail(), [0.2, 0.4, 0.6, 0.8])]


@pytest.mark.parametrize("has_palette", [False, True], ids=["plain", "with a palette"])
def test_classes_become_a_guide_each_as_the_line_says(has_palette, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene(guide=CODES)(tmp_path)
    if has_palette:
        with rasterio.open("guide.tif", "r+") as raster:
            raster.write_colormap(1, {int(code): (int(code), 0, 0, 255) for code in CODES[0]})
    line = complaint(capsys, "lst.tif", "-g", "guide.tif")
    shell(line[line.index("python -c") : line.rindex('"') + 1])
    made = [f"class_{code}.tif" for code in np.unique(CODES)]
    follow("lst.tif", "o.tif", *(word for name in made for word in ("-g", name)))


def test_codes_are_a_quantity_where_a_user_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene(guide=CODES)(tmp_path)
    line = complaint(capsys, "lst.tif", "-g", "guide.tif")
    follow("lst.tif", "o.tif", *advised(line, r"quantity, write (-g \S+)\n"))


@pytest.mark.parametrize("levels", [3, 12, 30])
def test_a_coarse_quantity_is_not_taken_for_classes(levels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slope = np.add.outer(np.arange(40), np.arange(48)) / 88
    scene(guide=(np.floor(slope * levels) * 5).astype(np.uint8))(tmp_path)
    follow("lst.tif", "o.tif", "-g", "guide.tif")
