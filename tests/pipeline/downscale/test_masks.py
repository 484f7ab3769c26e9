"""Laws of masks: the output ends where the fine mask does, and what is hidden does no harm."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import gaussian_filter

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.pipeline.downscale import run
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Request
from tests.conftest import read, writer_in

SCALE = 4
COARSE = 60
SIDE = COARSE * SCALE
FINE = Affine(60, 0, 500000, 0, -60, 4400000)
NORTH = FINE * Affine.scale(SCALE)


def field(length, rng):
    made = gaussian_filter(rng.normal(size=(SIDE, SIDE)), length, mode="wrap")
    return made / made.std()


def means(fine):
    return fine.reshape(COARSE, SCALE, COARSE, SCALE).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a scene with a cloud, and the same without; truth, and where it is clear."""
    folder = tmp_path_factory.mktemp("scene")
    write_raster = writer_in(folder)
    rng = np.random.default_rng(3)
    bands = np.stack([field(length, rng) for length in (2, 5, 12)])
    truth = 300 + 3 * bands[0] + 2 * bands[1] - bands[2] + 0.8 * field(8, rng) + 0.4 * field(1, rng)
    shape = field(25, rng)
    clear = shape < np.quantile(shape, 0.75)
    cloudy = np.where(clear, truth, truth - 25 - 4 * field(10, rng))
    write_raster("free.tif", means(truth).astype(np.float32), NORTH)
    write_raster("lst.tif", means(cloudy).astype(np.float32), NORTH)
    area = means(clear.astype(float))
    kept = means(np.where(clear, truth, 0)) / np.maximum(area, 1e-9)
    write_raster("kept.tif", np.where(area > 0, kept, np.nan).astype(np.float32), NORTH)
    write_raster("guide.tif", bands.astype(np.float32), FINE)
    write_raster("clear.tif", clear.astype(np.uint8), FINE)
    return folder, truth, clear


@pytest.fixture(autouse=True)
def scene(made, tmp_path, monkeypatch):
    folder, *fields = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tuple(fields)


def request(lst="lst.tif", mask="clear.tif", output="out.tif", **changes):
    settled = {
        "lst": BandSource(lst),
        "output": Path(output),
        "guides": (BandSource("guide.tif"),),
        "masks": Masks((MaskFile.parse(mask),)) if mask else Masks(),
        "scale": SCALE,
        "model": "ridge",
        "device": "cpu",
        "lst_units": "K",
        "overwrite": True,
    }
    return Request(**settled | changes)


def known(clear, least=0.5):
    enough = means(clear.astype(float)) >= least
    return enough.repeat(SCALE, 0).repeat(SCALE, 1)


class TestCut:
    @pytest.mark.parametrize("model", ["bicubic", "ridge"])
    @pytest.mark.parametrize("least", [0.0, 0.3, 0.5, 1.0])
    def test_it_is_the_fine_mask_where_enough_is_clear(self, scene, model, least):
        _, clear = scene
        downscale(request(model=model, min_clear=least))
        np.testing.assert_array_equal(np.isfinite(read("out.tif")), clear & known(clear, least))

    def test_it_is_in_coarse_squares_where_the_masked_is_filled(self, scene):
        _, clear = scene
        downscale(request(fill_masked=True))
        np.testing.assert_array_equal(np.isfinite(read("out.tif")), known(clear))

    def test_it_is_where_all_masks_are_clear(self, scene, write_raster):
        _, clear = scene
        other = np.ones((SIDE, SIDE), np.uint8)
        other[:, : SIDE // 3] = 2
        write_raster("other.tif", other, FINE)
        masks = Masks((MaskFile.parse("clear.tif"), MaskFile.parse("other.tif:not=2")))
        downscale(request(masks=masks))
        both = clear & (other != 2)
        np.testing.assert_array_equal(np.isfinite(read("out.tif")), both & known(both))

    def test_gaps_of_the_lst_stay_gaps(self, scene, write_raster):
        _, clear = scene
        lst = read("lst.tif")
        lst[10:14, 20:30] = np.nan
        write_raster("lst.tif", lst, NORTH)
        there = np.isfinite(lst).repeat(SCALE, 0).repeat(SCALE, 1)
        for filled in (False, True):
            downscale(request(fill_masked=filled))
            expected = known(clear) & there & (clear | filled)
            np.testing.assert_array_equal(np.isfinite(read("out.tif")), expected)

    def test_a_deviation_ends_where_the_result_does(self):
        downscale(request(uncertainty=Path("sure.tif")))
        np.testing.assert_array_equal(np.isfinite(read("sure.tif")), np.isfinite(read("out.tif")))

    def test_a_mask_that_is_clear_everywhere_changes_nothing(self, write_raster):
        write_raster("ones.tif", np.ones((SIDE, SIDE), np.uint8), FINE)
        downscale(request(mask="ones.tif"))
        downscale(request(mask=None, output="plain.tif"))
        np.testing.assert_array_equal(read("out.tif"), read("plain.tif"))


@pytest.mark.parametrize("model", ["bicubic", "ridge"])
@pytest.mark.parametrize("lst", ["lst.tif", "kept.tif", "free.tif"])
def test_clouds_hardly_spoil_what_is_clear(scene, lst, model):
    """Values of the cloud too, of the clear part alone, or of land that the cloud does not hide."""
    truth, _ = scene
    downscale(request("free.tif", mask=None, output="free_fine.tif", model=model))
    downscale(request(lst, model=model))
    shown = np.isfinite(read("out.tif"))
    errors = [np.sqrt(np.mean((read(p) - truth)[shown] ** 2)) for p in ("out.tif", "free_fine.tif")]
    assert errors[0] <= 1.05 * errors[1]


def test_what_is_hidden_of_the_lst_does_not_count(scene, write_raster):
    _, clear = scene
    downscale(request())
    before = read("out.tif")
    lst = read("lst.tif")
    lst[means(clear.astype(float)) == 0] -= 40
    write_raster("lst.tif", lst, NORTH)
    downscale(request())
    np.testing.assert_array_equal(read("out.tif"), before)


class TestGuides:
    def test_what_is_hidden_of_a_guide_does_not_count(self, scene, write_raster):
        _, clear = scene
        masks = Masks(guides=(MaskFile.parse("clear.tif"),))
        downscale(request("free.tif", masks=masks))
        before = read("out.tif")
        assert np.isfinite(before).all()
        bands = np.where(clear, read_all("guide.tif"), 900).astype(np.float32)
        write_raster("guide.tif", bands, FINE)
        downscale(request("free.tif", masks=masks))
        np.testing.assert_array_equal(read("out.tif"), before)

    def test_a_mask_may_be_for_one_band(self, scene, write_raster):
        _, clear = scene
        names = ("red", "nir", "dem")
        write_raster("guide.tif", read_all("guide.tif"), FINE, names=names)
        masks = Masks(guides=(MaskFile.parse("red=clear.tif"),))
        downscale(request("free.tif", masks=masks))
        before = read("out.tif")
        bands = read_all("guide.tif")
        bands[0][~clear] = -800
        write_raster("guide.tif", bands, FINE, names=names)
        downscale(request("free.tif", masks=masks))
        np.testing.assert_array_equal(read("out.tif"), before)
        bands[1][~clear] = -800
        write_raster("guide.tif", bands, FINE, names=names)
        downscale(request("free.tif", masks=masks))
        assert np.abs(read("out.tif") - before).max() > 1

    def test_a_band_that_there_is_not_is_refused(self):
        masks = Masks(guides=(MaskFile.parse("swir1=clear.tif"),))
        with pytest.raises(UsageError, match=r"band swir1, but the guides have guide_1"):
            downscale(request(masks=masks))


class TestCuts:
    """A result does not depend on how it was cut, begun or shared."""

    @pytest.mark.parametrize("model", ["bicubic", "ridge"])
    def test_parts_hold_the_bits_of_the_whole(self, model):
        downscale(request(model=model, tile=64))
        whole = read("out.tif")
        rows, columns = slice(7, 41), slice(13, 55)
        left, top = NORTH * (columns.start, rows.start)
        right, bottom = NORTH * (columns.stop, rows.stop)
        downscale(request(model=model, tile=64, bounds=(left, bottom, right, top)))
        part = whole[
            rows.start * SCALE : rows.stop * SCALE, columns.start * SCALE : columns.stop * SCALE
        ]
        np.testing.assert_array_equal(read("out.tif"), part)

    def test_a_run_that_was_stopped_ends_with_the_same_bits(self, monkeypatch):
        asked = request(tile=64, overwrite=False)
        downscale(replace(asked, output=Path("whole.tif")))
        with monkeypatch.context() as stopping:
            stopping.setattr(run, "_write", stop_after_some)
            with pytest.raises(KeyboardInterrupt):
                downscale(asked)
        with pytest.raises(UsageError, match=r"mask 1 was .* is now none"):
            downscale(replace(asked, masks=Masks(), resume=True))
        other = Masks((MaskFile.parse("clear.tif:values=0"),))
        with pytest.raises(UsageError, match=r"mask 1 was .*rule none and is now .*rule values=0"):
            downscale(replace(asked, masks=other, resume=True))
        with pytest.raises(UsageError, match="--min-clear was"):
            downscale(replace(asked, min_clear=0.6, resume=True))
        downscale(replace(asked, resume=True))
        np.testing.assert_array_equal(read("out.tif"), read("whole.tif"))

    @pytest.mark.slow
    def test_other_processes_make_the_same_bits(self):
        downscale(request(tile=64))
        downscale(request(tile=64, output="shared.tif", workers=2))
        np.testing.assert_array_equal(read("out.tif"), read("shared.tif"))


def test_a_mask_that_leaves_nothing_is_refused(write_raster):
    write_raster("none.tif", np.zeros((SIDE, SIDE), np.uint8), FINE)
    with pytest.raises(InputError, match=r"none.tif leaves no pixel of lst.tif"):
        downscale(request(mask="none.tif"))
    assert not Path("out.tif").exists()


def test_a_plan_tells_what_is_clear(scene):
    _, clear = scene
    plan, _ = plan_downscale(request())
    told = plan.to_json()
    assert told["mask"]["clear_share"] == pytest.approx(clear.mean(), abs=1e-4)
    assert told["mask"]["partly_clear_values"] == "cloudy"
    assert told["valid_coarse_pixels"] == np.sum(means(clear.astype(float)) >= 0.5)


def stop_after_some(*arguments):
    _, _, rows = arguments
    next(rows)
    raise KeyboardInterrupt


def read_all(path):
    import rasterio

    with rasterio.open(path) as raster:
        return raster.read()
