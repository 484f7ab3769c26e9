"""Laws of --like and --resolution: a plane stays in its place on any grid, and masks are exact."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.pipeline.downscale import run
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Request
from tests.conftest import plane, read

SINUSOIDAL = CRS.from_proj4("+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs")
CASES = {
    "another zone": (32633, 1000, 32634, 60, 18.0, 50.0),
    "sinusoidal to UTM": (SINUSOIDAL, 926.6254, 32632, 60, 9.0, 47.0),
    "degrees to UTM": (4326, 0.01, 32632, 60, 9.0, 47.0),
    "UTM to degrees": (32632, 1000, 4326, 0.0006, 9.0, 47.0),
    "polar stereographic": (32633, 1000, 3413, 60, 15.0, 70.0),
    "equal area": (32632, 1000, 3035, 60, 7.0, 48.0),
    "web mercator": (32632, 1000, 3857, 90, 9.0, 47.0),
    "about as coarse": (32633, 1000, 32634, 900, 18.0, 50.0),
    "half as coarse": (32633, 1000, 32634, 450, 18.0, 50.0),
}
SIDE = 30


def crs_of(given):
    return given if isinstance(given, CRS) else CRS.from_epsg(given)


def square(crs, lon, lat, pixel, side, turn=0.0, up=-1):
    """Lay a raster of so many pixels around a place."""
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    about = Affine.translation(x, y) * Affine.rotation(turn) * Affine.scale(pixel, up * pixel)
    return about * Affine.translation(-side / 2, -side / 2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def request(**changes):
    settled = {
        "lst": BandSource("lst.tif"),
        "output": Path("out.tif"),
        "model": "bicubic",
        "lst_units": "K",
        "overwrite": True,
        "device": "cpu",
    }
    return Request(**settled | changes)


def shift(case, write_raster, turn=0.0, up=-1, turned_target=0.0):
    """Downscale a plane to a target, and say how far it has moved, result's own fine pixels."""
    source, pixel, wanted, side, lon, lat = case
    there, here = crs_of(wanted), crs_of(source)
    coarse = square(here, lon, lat, pixel, SIDE, turn, up)
    a, b = 0.9 / pixel, 0.7 / pixel
    write_raster("lst.tif", plane(coarse, SIDE, SIDE, a, b).astype(np.float32), coarse, crs=here)
    to_target = 1.0 if here.is_geographic == there.is_geographic else 111_000.0
    extent = pixel * SIDE / to_target if there.is_geographic else pixel * SIDE * to_target
    count = min(400, int(0.4 * extent / side))
    target = square(there, lon, lat, side, count, turned_target) * Affine.translation(0.37, 0.21)
    write_raster("like.tif", np.ones((count, count), np.uint8), target, crs=there)
    result = downscale(request(like="like.tif"))
    with rasterio.open("out.tif") as out:
        assert out.crs == there
        assert out.transform.almost_equals(target, 1e-9)
        made = out.read(1).astype(float)
    columns, rows = np.meshgrid(np.arange(count) + 0.5, np.arange(count) + 0.5)
    way = Transformer.from_crs(there, here, always_xy=True)
    x, y = way.transform(*(target * (columns, rows)))
    expected = 300 + a * (np.asarray(x) - coarse.c) + b * (np.asarray(y) - coarse.f)
    assert np.isfinite(made).all()
    fine = pixel / result.plan.scale
    return np.abs(made - expected).max() / (np.hypot(a, b) * fine)


class TestPlane:
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_it_stays_in_its_place(self, write_raster, case):
        assert shift(case, write_raster) < 0.02

    @pytest.mark.parametrize("how", [{"up": 1}, {"turn": 25}, {"turned_target": 25}])
    def test_it_does_so_from_and_to_grids_that_are_turned(self, write_raster, how):
        assert shift(CASES["another zone"], write_raster, **how) < 0.02


NORTH = Affine(70, 0, 500000, 0, -70, 4400000)


@pytest.fixture
def lst(write_raster):
    rng = np.random.default_rng(1)
    values = rng.normal(300, 5, (40, 36)).astype(np.float32)
    values[5:9, 20:30] = np.nan
    write_raster("lst.tif", values, NORTH)
    return values


class TestScale:
    @pytest.mark.parametrize(
        ("side", "scale"), [(70, 2), (36, 2), (35, 2), (34.9, 3), (30, 3), (10, 7), (1.2, 59)]
    )
    def test_it_is_the_least_that_is_as_fine_as_the_target(self, lst, side, scale):
        plan, _ = plan_downscale(request(resolution=side))
        assert (plan.scale, plan.scale_from) == (scale, "target")

    def test_a_target_that_is_too_fine_is_refused_unless_a_scale_is_stated(self, lst, write_raster):
        target = NORTH * Affine.translation(12, 12) * Affine.scale(1 / 100)
        write_raster("like.tif", np.ones((300, 300), np.uint8), target)
        with pytest.raises(UsageError, match=r"as wide as 100 pixels .* --scale 64"):
            downscale(request(like="like.tif"))
        downscale(request(like="like.tif", scale=64))
        assert read("out.tif").shape == (300, 300)


class TestResolution:
    def test_a_whole_ratio_is_the_plain_result(self, lst):
        downscale(request(resolution=10))
        downscale(request(scale=7, output=Path("plain.tif")))
        np.testing.assert_array_equal(read("out.tif"), read("plain.tif"))

    @pytest.mark.parametrize("side", [30, 33, 47])
    def test_it_covers_the_lst_from_its_origin_on(self, lst, side):
        result = downscale(request(resolution=side))
        with rasterio.open("out.tif") as out:
            assert out.transform.almost_equals(Affine(side, 0, 500000, 0, -side, 4400000))
            assert out.shape == tuple(-(-size * 70 // side) for size in lst.shape)
            assert out.tags()["GROKLST_TARGET"].startswith(f"{side} × {side} CRS units")
        assert result.coarse_means["pixels"] > 100
        assert result.coarse_means["rms_before"] < 0.01

    def test_a_coarser_one_is_refused(self, lst):
        with pytest.raises(UsageError, match="coarser than the LST's pixel of 70"):
            downscale(request(resolution=71))


class TestWhatIsShown:
    def target(self, write_raster, side=23.0):
        transform = square(CRS.from_epsg(32648), 98.998, 39.73, side, 1)
        way = Transformer.from_crs(32647, 32648, always_xy=True)
        x, y = way.transform(500000 + 1260, 4400000 - 1400)
        count = 90
        transform = Affine.translation(x, y) * Affine.scale(side, -side)
        transform = transform * Affine.translation(-count / 2, -count / 2)
        clear = np.random.default_rng(2).random((count // 6, count // 6)) > 0.3
        clear = clear.repeat(6, 0).repeat(6, 1).astype(np.uint8)
        write_raster("like.tif", clear, transform, crs=CRS.from_epsg(32648))
        return transform, clear

    def known(self, lst, transform, shape):
        columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        way = Transformer.from_crs(32648, 32647, always_xy=True)
        x, y = way.transform(*(transform * (columns, rows)))
        c, r = ~NORTH * (np.asarray(x), np.asarray(y))
        inside = (c >= 0) & (c < lst.shape[1]) & (r >= 0) & (r < lst.shape[0])
        c, r = (
            np.clip(np.floor(v).astype(int), 0, n - 1)
            for v, n in zip((c, r), lst.shape[::-1], strict=True)
        )
        return inside & np.isfinite(lst[r, c])

    def test_it_is_where_the_middle_of_a_pixel_is_known_and_clear(self, lst, write_raster):
        transform, clear = self.target(write_raster)
        known = self.known(lst, transform, clear.shape)
        downscale(request(like="like.tif"))
        np.testing.assert_array_equal(np.isfinite(read("out.tif")), known)
        masks = Masks((MaskFile.parse("like.tif"),))
        downscale(request(like="like.tif", masks=masks, min_clear=0))
        np.testing.assert_array_equal(np.isfinite(read("out.tif")), known & (clear == 1))

    def test_a_deviation_is_shown_where_the_result_is(self, lst, write_raster):
        self.target(write_raster)
        downscale(request(like="like.tif", uncertainty=Path("sure.tif"), picture=Path("both.png")))
        np.testing.assert_array_equal(np.isfinite(read("sure.tif")), np.isfinite(read("out.tif")))
        with rasterio.open("sure.tif") as sure, rasterio.open("out.tif") as out:
            assert (sure.crs, sure.transform) == (out.crs, out.transform)

    def test_celsius_stays_celsius(self, lst, write_raster):
        self.target(write_raster)
        downscale(request(like="like.tif"))
        kelvin = read("out.tif")
        write_raster("lst.tif", (lst.astype(float) - 273.15).astype(np.float32), NORTH)
        result = downscale(request(like="like.tif", lst_units="C"))
        np.testing.assert_allclose(read("out.tif"), kelvin - 273.15, atol=2e-4)
        assert result.coarse_means["rms_before"] < 0.01

    def test_only_what_lies_under_the_target_is_computed(self, lst, write_raster):
        target = NORTH * Affine.translation(20, 20) * Affine.scale(1 / 7)
        write_raster("like.tif", np.ones((14, 14), np.uint8), target)
        plan, _ = plan_downscale(request(like="like.tif"))
        assert plan.grid.shape == (8 * 7, 8 * 7)
        told = plan.to_json()
        assert (told["height"], told["width"]) == (14, 14)
        downscale(request(like="like.tif"))
        part = read("out.tif")
        downscale(request(scale=7))
        np.testing.assert_array_equal(part, read("out.tif")[140:154, 140:154])


class TestRun:
    def test_a_target_elsewhere_is_refused(self, lst, write_raster):
        write_raster("like.tif", np.ones((9, 9), np.uint8), NORTH * Affine.translation(500, 0))
        with pytest.raises(InputError, match=r"like.tif does not overlap lst.tif"):
            downscale(request(like="like.tif"))

    def test_both_at_once_are_refused(self):
        with pytest.raises(UsageError, match="leave one"):
            request(like="like.tif", resolution=10)

    @pytest.mark.parametrize("side", [0, -1, np.inf, np.nan])
    def test_what_is_no_length_is_refused(self, side):
        with pytest.raises(UsageError, match="--resolution"):
            request(resolution=side)

    def test_the_raster_itself_is_not_written_over(self, lst, write_raster):
        write_raster("like.tif", np.ones((40, 36), np.uint8), NORTH)
        with pytest.raises(UsageError, match="is an input too"):
            downscale(request(like="like.tif", output=Path("like.tif")))

    def test_a_run_that_was_stopped_ends_with_the_same_bits(self, lst, monkeypatch):
        asked = request(resolution=30, overwrite=False)
        downscale(replace(asked, output=Path("whole.tif")))
        with monkeypatch.context() as stopping:
            stopping.setattr(run, "_write", stop_after_some)
            with pytest.raises(KeyboardInterrupt):
                downscale(asked)
        with pytest.raises(UsageError, match="the target's grid was"):
            downscale(replace(asked, resolution=31, resume=True))
        downscale(replace(asked, resume=True))
        np.testing.assert_array_equal(read("out.tif"), read("whole.tif"))
        assert [path.name for path in Path().glob(".*")] == []
        assert downscale(replace(asked, skip_existing=True)).skipped


def stop_after_some(*arguments):
    _, _, rows = arguments
    next(rows)
    raise KeyboardInterrupt
