"""Guides that end within the LST: their share is said, and nothing is carried over the border."""

import json

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from rasterio.crs import CRS
from rasterio.transform import from_bounds
from rasterio.warp import transform_bounds
from scipy.ndimage import gaussian_filter

from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_models.contract import Tiles
from groklst_models.fading import Fading, continued
from groklst_models.registry import build
from tests.trust.rasters import COARSE, FINE, UTM, write
from tests.trust.refusal import groklst

SIDE, SCALE = 40, 4
HALF = SIDE * SCALE // 2


def field(sigma: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((SIDE * SCALE,) * 2)
    smooth = gaussian_filter(noise, sigma)
    return smooth / smooth.std()


GUIDE = (field(1.5, 1) + field(8, 2)).astype(np.float32)
DOWN, ACROSS = np.mgrid[: SIDE * SCALE, : SIDE * SCALE] / (SIDE * SCALE)
TRUTH = 300 + 4 * GUIDE + 5 * np.sin(2 * ACROSS + 1) + 3 * np.cos(3 * DOWN)
LST = TRUTH.reshape(SIDE, SCALE, SIDE, SCALE).mean((1, 3)).astype(np.float32)


def without(*place: slice) -> np.ndarray:
    holed = GUIDE.copy()
    holed[place] = np.nan
    return holed


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lst.tif", LST)
    write(tmp_path / "half.tif", without(slice(None), slice(HALF, None)), FINE)
    write(tmp_path / "whole.tif", GUIDE, FINE)
    write(tmp_path / "left.tif", LST[:, : SIDE // 2])
    write(tmp_path / "left_guide.tif", GUIDE[:, :HALF], FINE)
    return tmp_path


def result(lst: str, guide: str, *more: str) -> np.ndarray:
    words = ["-s", str(SCALE), "-g", guide, "-m", "ridge", "-q", "--overwrite", *more]
    assert groklst("downscale", lst, "out.tif", *words) == 0
    with rasterio.open("out.tif") as made:
        return made.read(1).astype(np.float64)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def test_the_covered_half_is_as_good_as_alone(scene):
    both, alone = result("lst.tif", "half.tif"), result("left.tif", "left_guide.tif")
    error, lone = (both - TRUTH)[:, :HALF], alone - TRUTH[:, :HALF]
    assert rms(error) < rms(lone) + 0.01
    assert rms(error[:, -SCALE:]) < 0.1
    assert np.abs(error).max() < 0.5


def test_the_rest_is_as_good_as_without_a_guide(scene):
    assert groklst("downscale", "lst.tif", "plain.tif", "-s", "4", "-m", "bicubic", "-q") == 0
    with rasterio.open("plain.tif") as made:
        plain = made.read(1) - TRUTH
    error = result("lst.tif", "half.tif") - TRUTH
    assert rms(error[:, HALF:]) < 1.02 * rms(plain[:, HALF:])


def test_tiles_and_bounds_change_nothing(scene):
    whole = result("lst.tif", "half.tif")
    np.testing.assert_array_equal(result("lst.tif", "half.tif", "--tile", "32"), whole)
    left, _, right, top = COARSE.c + 17 * 240, 0, COARSE.c + 25 * 240, COARSE.f - 10 * 240
    bounds = map(str, (left, top - 9 * 240, right, top))
    part = result("lst.tif", "half.tif", "--tile", "32", "--bounds", *bounds)
    np.testing.assert_array_equal(part, whole[40:76, 68:100])


def test_the_share_is_said(scene, capfd):
    words = ["lst.tif", "out.tif", "-s", "4", "-m", "ridge"]
    assert groklst("downscale", *words, "-g", "half.tif", "--dry-run", "--json") == 0
    plan = json.loads(capfd.readouterr().out)
    assert plan["coverage"] == {"half.tif": 0.5}
    assert groklst("downscale", *words, "-g", "half.tif") == 0
    assert "half.tif covers 50.0% of the LST" in capfd.readouterr().err
    assert groklst("downscale", *words, "-g", "whole.tif", "--overwrite") == 0
    assert "covers" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("place", "share"),
    [
        ((slice(0, 0),), 1.0),
        ((slice(0, 16),), 0.9),
        ((slice(None), slice(0, 8)), 0.95),
        ((slice(0, 2), slice(None)), 0.9875),
    ],
)
def test_the_share_is_that_of_the_pixels(place, share, tmp_path):
    write(tmp_path / "lst.tif", LST)
    write(tmp_path / "guide.tif", without(*place), FINE)
    sources = [BandSource(str(tmp_path / name)) for name in ("lst.tif", "guide.tif")]
    with gdal_environment(), Scene(sources[0], sources[1:], SCALE) as scene:
        assert list(scene.coverage.values()) == pytest.approx([share])
        assert bool(scene.covered_in_part) == (share < 0.99)


WHOLE = (GUIDE * 1000 + 9000).astype(np.uint16)
DEGREES = CRS.from_epsg(4326)


def in_degrees(room: float) -> dict[str, object]:
    """Where a guide in degrees lies that covers the scene, with some pixels of room."""
    fine = Grid(UTM, FINE, SIDE * SCALE, SIDE * SCALE)
    left, bottom, right, top = transform_bounds(UTM, DEGREES, *fine.bounds, densify_pts=200)
    pixel = (right - left) / (SIDE * SCALE)
    grown = (left - room * pixel, bottom - room * pixel, right + room * pixel, top + room * pixel)
    return {"transform": from_bounds(*grown, *WHOLE.shape), "crs": DEGREES}


@pytest.mark.parametrize(
    ("values", "place", "is_read", "share"),
    [
        (WHOLE, {"transform": FINE}, False, 1.0),
        (WHOLE[:, :-4], {"transform": FINE}, True, 0.975),
        (WHOLE[4:], {"transform": FINE * Affine.translation(0, 4)}, True, 0.975),
        (WHOLE, {"transform": FINE, "nodata": 0}, True, 1.0),
        (WHOLE.astype(np.float32), {"transform": FINE}, True, 1.0),
        (WHOLE, in_degrees(1), False, 1.0),
        (WHOLE, in_degrees(-2), True, pytest.approx(0.95, abs=0.02)),
    ],
    ids=["whole", "narrow", "low", "nodata", "floats", "degrees", "narrow in degrees"],
)
def test_only_what_may_lack_values_is_read_for_the_share(
    values, place, is_read, share, tmp_path, monkeypatch
):
    write(tmp_path / "lst.tif", LST)
    write(tmp_path / "guide.tif", values, **place)
    sources = [BandSource(str(tmp_path / name)) for name in ("lst.tif", "guide.tif")]
    found = []
    reading = Scene.read_guide
    monkeypatch.setattr(Scene, "read_guide", lambda *given: found.append(given) or reading(*given))
    with gdal_environment(), Scene(sources[0], sources[1:], SCALE) as scene:
        assert list(scene.coverage.values()) == [share]
        assert bool(found) == is_read
        everything = slice(0, SIDE)
        known = np.isfinite(scene.read_guide(everything, everything)).mean()
    assert known == pytest.approx(next(iter(scene.coverage.values())), abs=1e-3)


def test_what_is_covered_whole_is_left_alone():
    method = build("bicubic", scale=2)
    lst, guide = torch.randn(1, 1, 20, 20), torch.randn(1, 1, 40, 40)
    tiles = Tiles(lst, guide, (0,), (0,))
    assert torch.equal(Fading(method).predict(tiles), method.predict(tiles))


def test_values_are_continued_as_they_are_and_fade_out():
    known = torch.zeros(1, 1, 1, 20, dtype=torch.bool)
    known[..., :10] = True
    out = continued(torch.full((1, 1, 1, 20), 3.0), known.expand(1, 1, 20, 20).contiguous())
    row = out[0, 0, 10]
    assert torch.equal(row[:10], torch.full((10,), 3.0))
    assert float(row[10]) == pytest.approx(3.0)
    assert torch.all(row[10:].diff() <= 0)
    assert float(row[15:].abs().max()) == 0


def test_a_method_without_guidance_does_not_look_at_guides(scene, monkeypatch, capsys):
    monkeypatch.setattr(Scene, "coverage", property(lambda opened: pytest.fail("guides were read")))
    words = ("lst.tif", "out.tif", "-g", "half.tif", "-s", str(SCALE), "-m", "bicubic")
    assert groklst("downscale", *words) == 0
    assert "covers" not in capsys.readouterr().err
