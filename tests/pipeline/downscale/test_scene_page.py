"""The page about a scene: it holds what it shows, says what was done, and grows with no scene."""

import base64
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS

from groklst_cli.errors import GroklstError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import scene_page
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.preview import crs_name
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.shown_text import printable
from tests.conftest import read
from tests.pipeline.downscale.small_scene import COARSE, SCALE, write_small_scene

HARM = "<script>alert(1)<img src=x>&.tif"


class Page(HTMLParser):
    """What a page holds, as a browser takes it apart."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def pictures(self) -> list[bytes]:
        heads = [image["src"].partition(",") for image in self.all("img")]
        assert {head for head, _, _ in heads} == {"data:image/png;base64"}
        return [base64.b64decode(held) for _, _, held in heads]


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    write_small_scene(write_raster)
    monkeypatch.chdir(tmp_path)


def request(lst: str = "lst.tif", output: str = "fine.tif", **changes: object) -> Request:
    asked = {"scale": SCALE, "model": "ridge", "page": Path("index.html"), **changes}
    return Request(BandSource(lst), Path(output), (BandSource("red.tif"),), **asked)


def made(asked: Request) -> Page:
    downscale(asked)
    assert asked.page is not None
    return Page(asked.page)


def size(picture: bytes) -> tuple[int, int]:
    wide, high = struct.unpack(">II", picture[16:24])
    return high, wide


def test_it_shows_maps_residual_and_deviation_and_tells_what_was_done():
    found = made(request(uncertainty=Path("sd.tif")))
    assert [size(picture) for picture in found.pictures()] == [
        (80, 88),
        (80, 88),
        (20, 22),
        (80, 88),
    ]
    assert all(image["alt"] for image in found.all("img"))
    (slider,) = found.all("input")
    assert slider["type"] == "range"
    assert {"for": slider["id"]} in found.all("label")
    assert len(found.all("svg")) == len(found.all("h1")) == 1
    assert len([bar for bar in found.all("div") if bar.get("class") == "colours"]) == 3
    for words in (
        *("ridge: asked for", "×4, as it was asked for", "240 m a pixel", "60 m a pixel"),
        *("EPSG:32647", "K, from the file's tags", "not moved", "the method's own means, RMS 0."),
        *("Standard deviation of the fine LST", "Hatched: no value", "header sha256:", "numpy"),
        *("GROKLST_METHOD", "GROKLST_STATUS", "point spread", "LST (K)", "standard deviation (K)"),
    ):
        assert words in found.words, words
    assert not re.search(r"https?://|@import|url\(|<link", found.source)


def test_the_maps_are_those_of_the_files():
    found = made(request())
    coarse, fine = found.pictures()[:2]
    from matplotlib.image import imread

    Path("c.png").write_bytes(coarse)
    Path("f.png").write_bytes(fine)
    shown, drawn = imread("c.png"), imread("f.png")
    blocks = shown.reshape(20, SCALE, 22, SCALE, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert (shown[..., 3] == np.isfinite(read("lst.tif")).repeat(4, 0).repeat(4, 1)).all()
    assert (drawn[..., 3] == np.isfinite(read("fine.tif"))).all()
    light, warm = drawn[..., :3].sum(-1), read("fine.tif")
    known = np.isfinite(warm)
    assert np.corrcoef(light[known], warm[known])[0, 1] > 0.95


def test_names_and_notes_cannot_do_harm(write_raster):
    write_raster(HARM, read("lst.tif"), COARSE)
    tags = {"GROKLST_COMMAND": f"groklst downscale '{HARM}'"}
    found = made(request(HARM, output=f"out{HARM}", provenance=tags))
    assert len(found.all("script")) == 1
    assert not [image for image in found.all("img") if image["src"] == "x"]
    assert HARM in found.words  # which a browser shows as it is
    assert f"groklst downscale '{HARM}'" in found.words


def test_celsius_stays_celsius():
    found = made(request("celsius.tif"))
    assert "LST (°C)" in found.words
    assert "residual (K)" in found.words
    assert "°C, from the file's tags" in found.words


def test_another_grid_shows_the_lst_where_the_result_is():
    found = made(request(scale=None, like="like.tif"))
    before, after, residual = found.pictures()
    assert size(before) == size(after) == (15, 20) != size(residual)
    assert "EPSG:4326" in found.words
    Path("c.png").write_bytes(before)
    from matplotlib.image import imread

    assert (imread("c.png")[..., 3] > 0).mean() > 0.5


def test_a_page_does_not_grow_with_its_scene(monkeypatch):
    monkeypatch.setattr(scene_page, "_SIDE", 30)
    monkeypatch.setattr("groklst_cli.pipeline.downscale.watched.SIDE", 10)
    found = made(request(uncertainty=Path("sd.tif")))
    assert all(max(size(picture)) <= 30 for picture in found.pictures())
    assert "the mean of 3 × 3 fine pixels" in found.words


def test_what_an_earlier_run_has_made_has_a_page_too():
    first = made(request(uncertainty=Path("sd.tif")))
    again = made(request(uncertainty=Path("sd.tif"), skip_existing=True))
    assert again.pictures()[:2] == first.pictures()[:2]
    assert again.pictures()[3] == first.pictures()[3]
    assert "made by an earlier run" in again.words
    assert "What the method itself left was not kept" in again.words


@pytest.mark.parametrize("like", [None, "like.tif"])
def test_the_lst_of_an_earlier_run_is_read_again_in_parts(monkeypatch, like):
    monkeypatch.setattr("groklst_cli.pipeline.downscale.watched._AT_ONCE", 500)
    first = made(request(like=like))
    again = made(request(like=like, skip_existing=True))
    assert again.pictures()[:2] == first.pictures()[:2]


def test_without_conserving_there_is_no_word_of_restoring():
    found = made(request(conserve="none"))
    assert "not kept: the means of the result differ by 0." in found.words
    assert "restored" not in found.words


def test_a_scene_without_a_value_has_a_page():
    found = made(request(bounds=(500960, 4389040, 501200, 4389280)))
    assert "no pixel has a value" in found.words
    assert not re.search(r"\bnan\b", found.words)


def test_python_has_its_options_named():
    found = made(request(noise=0.5))
    assert "--noise" in found.words
    assert "--conserve" not in found.words.partition("Python asked")[2]


def test_a_disk_that_refuses_the_page_leaves_the_map(monkeypatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(GroklstError, match=r"fine\.tif could not be written: No space left"):
        downscale(request())
    assert Path("fine.tif").is_file()


NAMED = 'PROJCS["A valley",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.25]],'
NAMED += 'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
NAMED += 'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",1],'
NAMED += 'PARAMETER["central_meridian",7],PARAMETER["scale_factor",1],'
NAMED += 'PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]'


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:32647", "EPSG:32647"),
        (NAMED, "A valley"),
        (NAMED.replace("A valley", "unnamed"), "unnamed CRS, Transverse Mercator"),
        ("+proj=laea +lat_0=10 +lon_0=20", "unnamed CRS, Lambert Azimuthal Equal Area"),
    ],
)
def test_a_crs_is_named_in_few_words(crs, name):
    found = crs_name(CRS.from_user_input(crs))
    assert found == printable(found)
    assert found == name
