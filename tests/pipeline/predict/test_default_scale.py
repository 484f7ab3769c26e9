"""Laws of the scale that nobody typed: the checkpoint's, else down to the finest guide's pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
import rioxarray
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

import groklst_cli
from groklst_cli.errors import UsageError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.default_scale import scale_of_files, scale_of_grids
from groklst_cli.pipeline.predict.settings import Settings
from tests.conftest import UTM, read
from tests.trust.refusal import groklst, write_checkpoint

COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
LST = Grid(UTM, COARSE, 20, 22)


def finer(ratio: float) -> Grid:
    """Divide the LST's pixels; the guide covers the LST, with a pixel to spare."""
    height, width = (int(side * ratio) + 2 for side in LST.shape)
    return Grid(UTM, COARSE * Affine.scale(1 / ratio), height, width)


def asked(**changes: object) -> Request:
    return Request(BandSource("lst.tif"), Path("out.tif"), **changes)


def found(*ratios: float) -> int:
    guides = {f"guide{number}.tif": finer(ratio) for number, ratio in enumerate(ratios)}
    scale = scale_of_grids(Settings(), LST, guides)
    assert scale.source == ("guides" if guides else "default")
    return scale.value


@pytest.mark.parametrize("scale", [2, 3, 8, 24, 25, 33, 64])
def test_a_whole_ratio_is_the_scale(scale):
    assert found(scale) == scale
    assert found(scale + min(0.49, 0.0199 * scale)) == scale
    assert found(scale - min(0.49, 0.0199 * scale)) == scale


@pytest.mark.parametrize("ratio", [0.25, 1.0, 1.5, 1.93, 2.05, 2.5, 8.3, 15.6, 66.0, 100.0, 333.3])
def test_any_other_ratio_is_asked_for(ratio):
    with pytest.raises(UsageError, match=rf"as {ratio:.4g} pixels of guide0\.tif.* --scale \d+"):
        found(ratio)


@pytest.mark.parametrize(("ratio", "scale"), [(8.3, 8), (100.0, 50), (333.3, 56), (1.0, 2)])
def test_the_scale_that_is_proposed_is_the_nearest_that_fits(ratio, scale):
    with pytest.raises(UsageError, match=rf"add --scale {scale},"):
        found(ratio)


def test_the_finest_guide_counts():
    assert found(4, 12, 8.3) == 12


def test_without_guides_it_is_8():
    assert found() == 8


@pytest.mark.parametrize("epsg", [4326, 3857, 32646, 3035])
def test_a_guide_in_another_crs_counts_by_its_pixels_on_the_ground(epsg):
    crs = CRS.from_epsg(epsg)
    left, bottom, right, top = transform_bounds(UTM, crs, *LST.bounds)
    step = Affine.scale((right - left) / (20 * 8), (bottom - top) / (22 * 8))
    here = Grid(crs, Affine.translation(left, top) * step, 8 * 22, 8 * 20)
    pixels = here.pixels_per_pixel_of(LST)
    there = Grid(crs, here.transform * Affine.scale(pixels / 6), 6 * 24, 6 * 24)
    scale = scale_of_grids(Settings(), LST, {"guide.tif": there})
    assert scale.value == 6


def test_what_was_typed_counts_whatever_the_guides():
    scale = scale_of_grids(Settings(scale=5), LST, {"guide.tif": finer(8.3)})
    assert (scale.value, scale.source, scale.reason) == (5, "option", "")


class TestFiles:
    @pytest.fixture(autouse=True)
    def files(self, write_raster, tmp_path, monkeypatch) -> None:
        rng = np.random.default_rng(0)
        guide = rng.uniform(0, 1, (80, 88)).astype(np.float32)
        lst = 295 + 10 * guide.reshape(20, 4, 22, 4).mean((1, 3))
        write_raster("lst.tif", lst.astype(np.float32), COARSE)
        write_raster("nir.tif", guide, COARSE * Affine.scale(1 / 4))
        odd = COARSE * Affine.scale(1 / 2.4)
        write_raster("odd.tif", rng.uniform(0, 1, (50, 54)).astype(np.float32), odd)
        write_checkpoint(tmp_path / "net.safetensors", scale=2)
        monkeypatch.chdir(tmp_path)

    def test_the_name_of_the_output_follows(self, capsys):
        assert groklst("downscale", "lst.tif", "-g", "nir.tif", "-m", "ridge", "--json") == 0
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert (told["output"], told["scale"], told["scale_from"]) == ("lst_x4.tif", 4, "guides")
        assert "scale 4: a pixel of lst.tif is as wide as 4 pixels of nir.tif" in err
        assert read("lst_x4.tif").shape == (80, 88)

    def test_it_is_what_typing_it_gives(self):
        guided = {"guides": [BandSource("nir.tif")], "model": "ridge"}
        found = downscale(asked(**guided)).output
        typed = downscale(Request(BandSource("lst.tif"), Path("4.tif"), scale=4, **guided)).output
        np.testing.assert_array_equal(read(found), read(typed))

    def test_found_and_typed_are_one_run(self):
        guided = {"guides": [BandSource("nir.tif")], "model": "ridge"}
        downscale(asked(**guided))
        assert downscale(asked(**guided, scale=4, skip_existing=True)).skipped

    def test_the_checkpoint_counts_more_than_the_guides(self, capsys):
        settings, guides = Settings(model="net.safetensors"), [BandSource("nir.tif")]
        scale = scale_of_files(settings, BandSource("lst.tif"), guides)
        assert (scale.value, scale.source) == (2, "checkpoint")
        words = ("lst.tif", "-g", "nir.tif", "-m", "net.safetensors", "-q")
        assert groklst("downscale", *words) == 0
        assert capsys.readouterr().out == "lst_x2.tif\n"

    def test_a_ratio_that_is_not_whole_asks_and_the_advice_works(self, capsys):
        assert groklst("downscale", "lst.tif", "-g", "odd.tif", "-m", "ridge", "-q") == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "a pixel of lst.tif is as wide as 2.4 pixels of odd.tif" in err
        advice = ["--scale", "2"]
        assert " ".join(advice) in err
        assert groklst("downscale", "lst.tif", "-g", "odd.tif", "-m", "ridge", "-q", *advice) == 0

    @pytest.mark.parametrize(("scale", "times"), [("4", None), ("2", None), ("8", "2")])
    def test_finer_than_every_guide_is_said(self, capsys, scale, times):
        words = ("lst.tif", "o.tif", "-g", "nir.tif", "-m", "ridge", "-s", scale)
        assert groklst("downscale", *words) == 0
        err = capsys.readouterr().err
        warned = f"warning: the result has pixels {times} times finer than nir.tif"
        assert (warned in err) if times else ("warning" not in err)

    def test_each_scene_of_a_list_has_its_own(self, capsys):
        Path("list.csv").write_text(
            "lst,guide,scale\nlst.tif,nir.tif,\nlst.tif,odd.tif,\nlst.tif,odd.tif,3\nlst.tif,,\n"
        )
        assert groklst("downscale", "--batch-file", "list.csv", "-m", "auto", "-q", "--json") == 6
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [each["code"] for each in told] == [0, 2, 0, 0]
        assert [each.get("scale") for each in told] == [4, None, 3, 8]
        assert [Path(each["output"]).name for each in told if not each["code"]] == [
            "lst_x4.tif",
            "lst_x3.tif",
            "lst_x8.tif",
        ]

    def test_arrays_are_told_the_same(self):
        with rioxarray.open_rasterio("lst.tif") as lst, rioxarray.open_rasterio("nir.tif") as nir:
            said: list[str] = []
            guides = {"nir": nir.sel(band=1)}
            fine = groklst_cli.downscale(
                lst.sel(band=1), guides, method="ridge", device="cpu", note=said.append
            )
            assert fine.shape == (80, 88)
            assert fine.attrs["scale"] == 4
            assert "scale 4: a pixel of lst is as wide as 4 pixels of nir" in said
            lazy = groklst_cli.downscale(
                lst.sel(band=1).chunk(), guides, method="ridge", device="cpu"
            )
            np.testing.assert_array_equal(lazy, fine)
            with (
                rioxarray.open_rasterio("odd.tif") as odd,
                pytest.raises(UsageError, match=r"2\.4 pixels of odd, .* add scale 2"),
            ):
                groklst_cli.downscale(lst.sel(band=1), {"odd": odd.sel(band=1)}, method="ridge")
