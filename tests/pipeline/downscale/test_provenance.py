"""Tags that say where a result comes from: files and their headers, command, software."""

import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from groklst_cli import __version__
from groklst_cli.geo.header_hash import header_hash
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.provenance import INPUTS_TAG, SOFTWARE_TAG
from groklst_cli.pipeline.downscale.request import Request
from tests.trust.refusal import groklst

NORTH = Affine(240, 0, 500000, 0, -240, 4390000)
RUN = ("downscale", "lst.tif", "fine.tif", "-g", "r=./red.tif,band=1", "-s", "4", "-q")


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    red = rng.normal(0, 1, (80, 88)).astype(np.float32)
    lst = 300 + red.reshape(20, 4, 22, 4).mean((1, 3))
    write_raster("lst.tif", lst.astype(np.float32), NORTH, nodata=-9999.0, tags={"units": "K"})
    write_raster("red.tif", red, NORTH * Affine.scale(1 / 4), names=("red",))
    write_raster("clear.tif", np.ones((20, 22), np.uint8), NORTH)
    monkeypatch.chdir(tmp_path)


def tags(path: str) -> dict[str, str]:
    with rasterio.open(path) as raster:
        return raster.tags()


def hash_of(path: str) -> str:
    with rasterio.open(path) as raster:
        return header_hash(raster)


def test_the_command_and_its_files_are_said_as_they_were_given():
    words = (*RUN, "-m", "ridge", "--mask", "clear.tif", "--uncertainty", "sigma.tif")
    assert groklst(*words) == 0
    for path in ("fine.tif", "sigma.tif"):
        found = tags(path)
        assert shlex.split(found["GROKLST_COMMAND"]) == ["groklst", *words]
        assert json.loads(found[INPUTS_TAG]) == [
            {"is": "lst", "given": "lst.tif", "header": f"sha256:{hash_of('lst.tif')}"},
            {
                "is": "guide",
                "given": "r=./red.tif,band=1",
                "header": f"sha256:{hash_of('red.tif')}",
            },
            {"is": "mask", "given": "clear.tif", "header": f"sha256:{hash_of('clear.tif')}"},
        ]
        software = dict(part.split(" ", 1) for part in found[SOFTWARE_TAG].split(", "))
        assert software["groklst"] == __version__
        assert software["GDAL"] == rasterio.__gdal_version__
        assert {"Python", "numpy", "torch", "scipy", "rasterio"} <= software.keys()
        assert "sklearn" not in software


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("random-forest", "sklearn"),
        ("dms", "sklearn"),
        pytest.param("xgboost", "xgboost", marks=pytest.mark.method("xgboost")),
    ],
)
def test_a_methods_own_library_is_named(method, name):
    assert groklst(*RUN, "-m", method) == 0
    assert f"{name} {sys.modules[name].__version__}" in tags("fine.tif")[SOFTWARE_TAG]


def test_a_file_of_options_is_said_by_what_differs_from_defaults():
    Path("run.toml").write_text('model = "ridge"\nseed = 0\ndst_nodata = nan\nguide = []\njobs = 1')
    assert groklst(*RUN, "--config", "run.toml") == 0
    found = tags("fine.tif")
    assert json.loads(found["GROKLST_CONFIG"]) == {"model": "ridge", "jobs": 1}
    assert "--config run.toml" in found["GROKLST_COMMAND"]


def test_from_python_there_is_no_command():
    guides = (BandSource("red.tif"),)
    downscale(Request(BandSource("lst.tif"), Path("fine.tif"), guides, scale=4, model="ridge"))
    assert "GROKLST_COMMAND" not in tags("fine.tif")
    assert INPUTS_TAG in tags("fine.tif")


def test_info_shows_it(capsys):
    assert groklst(*RUN, "-m", "ridge") == 0
    capsys.readouterr()
    assert groklst("info", "fine.tif", "--json") == 0
    (facts,) = json.loads(capsys.readouterr().out)
    made = facts["made"]
    assert made["method"] == "ridge"
    assert made["command"].startswith("groklst downscale lst.tif fine.tif")
    assert [one["is"] for one in made["inputs"]] == ["lst", "guide"]
    assert groklst("info", "fine.tif") == 0
    shown = capsys.readouterr().out
    assert "  command: groklst downscale lst.tif" in shown
    assert "    is lst, given lst.tif, header sha256:" in shown
    assert groklst("info", "lst.tif", "--json") == 0
    assert "made" not in json.loads(capsys.readouterr().out)[0]


@pytest.mark.parametrize(
    "text",
    ['[{"is": "lst"}, 2]', "[" * 900 + "]" * 900, '{"a": NaN}', '{"a": {"b": 1}}', "1e999", "[]"],
)
def test_info_shows_tags_that_others_wrote_as_they_are(capsys, text):
    assert groklst(*RUN, "-m", "ridge") == 0
    with rasterio.open("fine.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as raster:
        raster.update_tags(**{INPUTS_TAG: text})
    capsys.readouterr()
    assert groklst("info", "fine.tif", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["made"]["inputs"] == text
    assert groklst("info", "fine.tif") == 0


class TestHeaderHash:
    def test_pixels_names_and_times_do_not_count(self, write_raster):
        before = hash_of("red.tif")
        values = np.zeros((80, 88), np.float32)
        write_raster("other.tif", values, NORTH * Affine.scale(1 / 4), names=("red",))
        os.utime("other.tif", (0, 0))
        assert hash_of("other.tif") == before

    def test_no_pixel_is_read(self):
        whole, before = Path("red.tif").read_bytes(), hash_of("red.tif")
        middle = len(whole) // 2  # which lies among the pixels
        Path("red.tif").write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
        assert hash_of("red.tif") == before

    @pytest.mark.parametrize(
        "change",
        [
            {"nodata": -1.0},
            {"scale": 0.1},
            {"offset": 1.0},
            {"names": ("nir",)},
            {"tags": {"units": "K"}},
            {"crs": "EPSG:32648"},
        ],
        ids=str,
    )
    def test_all_of_the_header_counts(self, write_raster, change):
        before = hash_of("red.tif")
        values, place = np.zeros((80, 88), np.float32), NORTH * Affine.scale(1 / 4)
        write_raster("other.tif", values, place, **{"names": ("red",), **change})
        assert hash_of("other.tif") != before
        write_raster("other.tif", values[:-1], place, names=("red",))
        assert hash_of("other.tif") != before
        write_raster("other.tif", values.astype(np.float64), place, names=("red",))
        assert hash_of("other.tif") != before
        write_raster("other.tif", values, place * Affine.translation(1, 0), names=("red",))
        assert hash_of("other.tif") != before

    def test_statistics_of_a_viewer_do_not_count(self):
        before = hash_of("red.tif")
        with rasterio.open("red.tif", "r+") as raster:
            raster.update_tags(1, STATISTICS_MAXIMUM="3")
        assert hash_of("red.tif") == before
