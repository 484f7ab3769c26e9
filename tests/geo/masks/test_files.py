"""Masks on the fine grid: what is clear is clear wherever it lies, and nothing else is."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import PLAIN, MaskFile, MaskSource, parse_rule
from tests.conftest import UTM

ORIGIN = Affine.translation(500000, 4400000)
FINE = Grid(UTM, ORIGIN * Affine.scale(10, -10), 48, 64)
ALL = slice(0, FINE.height), slice(0, FINE.width)


def read(text, fine=FINE, rows=ALL[0], columns=ALL[1]):
    mask = MaskSource(MaskFile.parse(text), fine)
    try:
        return mask.read(rows, columns)
    finally:
        mask.close()


def blobs(shape, seed=0):
    rng = np.random.default_rng(seed)
    small = rng.random((shape[0] // 4 + 1, shape[1] // 4 + 1)) > 0.4
    return small.repeat(4, 0).repeat(4, 1)[: shape[0], : shape[1]].astype(np.uint8)


class TestText:
    @pytest.mark.parametrize(
        ("text", "path", "rule"),
        [
            ("qa.tif", "qa.tif", ""),
            ("qa.tif:landsat-qa", "qa.tif", "landsat-qa"),
            ("qa.tif:bits=3,4", "qa.tif", "bits=3,4"),
            ("a/b.tif:values=4,5,6", "a/b.tif", "values=4,5,6"),
            (r"C:\scenes\qa.tif", r"C:\scenes\qa.tif", ""),
            (r"C:\scenes\qa.tif:not=0", r"C:\scenes\qa.tif", "not=0"),
            ("/vsicurl/https://host/qa.tif", "/vsicurl/https://host/qa.tif", ""),
            ('NETCDF:"qa.nc":QC', 'NETCDF:"qa.nc":QC', ""),
            ('NETCDF:"qa.nc":QC:modis-lst-qc', 'NETCDF:"qa.nc":QC', "modis-lst-qc"),
        ],
    )
    def test_a_rule_stands_behind_a_colon(self, text, path, rule):
        mask = MaskFile.parse(text)
        assert (mask.source.path, mask.rule.text) == (path, rule)
        assert str(mask) == text

    def test_band_and_nodata_stand_before_it(self):
        mask = MaskFile.parse("red=qa.tif,band=2,nodata=255:values=0")
        assert mask.source == BandSource("qa.tif", "red", 2, 255.0)
        assert mask.rule == parse_rule("values=0")

    def test_a_file_with_a_colon_in_its_name_is_that_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "qa.tif:landsat-qa").touch()
        assert MaskFile.parse("qa.tif:landsat-qa") == MaskFile(
            BandSource("qa.tif:landsat-qa"), PLAIN
        )

    @pytest.mark.parametrize("rule", ["landsat", "bits=x", "clear"])
    def test_a_rule_that_there_is_not_is_refused(self, rule, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "qa.tif").touch()
        with pytest.raises(UsageError, match=r"landsat-qa, modis-lst-qc|whole numbers"):
            MaskFile.parse(f"qa.tif:{rule}")


class TestPlaces:
    def test_a_mask_on_the_fine_grid_is_read_as_it_is(self, write_raster):
        clear = blobs(FINE.shape)
        np.testing.assert_array_equal(read(write_raster("m.tif", clear, FINE.transform)), clear)

    @pytest.mark.parametrize("scale", [2, 8])
    def test_a_coarser_mask_holds_for_all_its_fine_pixels(self, write_raster, scale):
        clear = blobs((FINE.height // scale, FINE.width // scale), scale)
        path = write_raster("m.tif", clear, FINE.transform * Affine.scale(scale))
        expected = clear.repeat(scale, 0).repeat(scale, 1)
        np.testing.assert_array_equal(read(path), expected)

    @pytest.mark.parametrize("parts", [2, 3])
    def test_a_finer_mask_gives_its_share(self, write_raster, parts):
        clear = blobs((FINE.height * parts, FINE.width * parts), parts)
        path = write_raster("m.tif", clear, FINE.transform * Affine.scale(1 / parts))
        blocks = clear.reshape(FINE.height, parts, FINE.width, parts)
        np.testing.assert_allclose(read(path), blocks.mean(axis=(1, 3)), atol=1e-6)

    @pytest.mark.parametrize("crs", [UTM, CRS.from_epsg(32648), CRS.from_epsg(4326)])
    def test_on_any_other_grid_what_lies_under_the_middle_counts(self, write_raster, crs):
        way = Transformer.from_crs(UTM, crs, always_xy=True)
        left, top = way.transform(500320 - 500, 4399760 + 400)
        right, bottom = way.transform(500320 + 500, 4399760 - 400)
        width, height = (right - left) / 57.3, (top - bottom) / 46.7
        there = Affine(width, 0, left - 0.3 * width, 0, -height, top + 0.4 * height)
        clear = blobs((51, 61), 3)
        shares = read(write_raster("m.tif", clear, there, crs=crs))
        columns, rows = np.meshgrid(np.arange(FINE.width) + 0.5, np.arange(FINE.height) + 0.5)
        t = FINE.transform
        x, y = way.transform(t.a * columns + t.c, t.e * rows + t.f)
        c, r = (np.asarray(x) - there.c) / there.a, (np.asarray(y) - there.f) / there.e
        expected = clear[np.floor(r).astype(int), np.floor(c).astype(int)]
        off = np.minimum(np.abs(c - np.rint(c)), np.abs(r - np.rint(r))) < 0.01
        assert off.mean() < 0.1
        np.testing.assert_array_equal(shares[~off], expected[~off])

    def test_nothing_is_clear_beyond_a_mask_or_where_it_has_no_value(self, write_raster):
        ones = np.ones((24, 32), np.uint8)
        near = write_raster("near.tif", ones, FINE.transform)
        off = write_raster("off.tif", ones, FINE.transform * Affine.translation(0.4, 0.3))
        for path in (near, off):
            shares = read(f"{path}:not=7")
            assert shares[:23, 1:31].all()
            assert not shares[25:].any()
            assert not shares[:, 33:].any()
        ones[:6] = 9
        holes = write_raster("holes.tif", ones, FINE.transform, nodata=9)
        assert not read(f"{holes}:not=7")[:6].any()
        moved = write_raster(
            "moved.tif", ones, FINE.transform * Affine.translation(0.4, 0.3), nodata=9
        )
        assert not read(f"{moved}:not=7")[:6].any()
        assert not read(f"{moved},nodata=1:not=7").any()

    def test_a_value_that_the_rule_names_counts_though_the_file_calls_it_nodata(self, write_raster):
        cloud = np.zeros((24, 32), np.uint8)
        cloud[:6] = 1
        for place in (FINE.transform, FINE.transform * Affine.translation(0.4, 0.3)):
            path = write_raster("cloud.tif", cloud, place, nodata=0)
            shares = read(f"{path}:values=0")
            assert shares[8:23, 2:31].all()
            assert not shares[1:5].any()
            assert not shares[26:].any()
            assert not read(f"{path}:not=1").any()

    @pytest.mark.parametrize("grain", [0.5, 1, 3.7])
    def test_a_window_holds_the_bits_of_the_whole(self, write_raster, grain):
        clear = blobs((200, 200), 5)
        there = FINE.transform * Affine.translation(-3.3, -2.1) * Affine.scale(grain)
        path = write_raster("m.tif", clear, there)
        whole = read(path)
        for rows, columns in ((slice(0, 7), slice(0, 64)), (slice(5, 40), slice(11, 50))):
            np.testing.assert_array_equal(read(path, FINE, rows, columns), whole[rows, columns])

    def test_large_codes_keep_every_bit_on_another_grid(self, write_raster):
        codes = np.full((60, 80), 2**31 + 1, np.uint32)
        there = FINE.transform * Affine.translation(-0.4, -0.3)
        path = write_raster("m.tif", codes, there)
        assert read(f"{path}:values={2**31 + 1}").all()
        assert not read(f"{path}:values={2**31}").any()


class TestRefusals:
    def test_codes_need_a_rule(self, write_raster):
        codes = np.full(FINE.shape, 21824, np.uint16)
        path = write_raster("qa.tif", codes, FINE.transform)
        with pytest.raises(InputError, match="holds 21824, but a mask without a rule"):
            read(path)
        assert read(f"{path}:landsat-qa").all()

    def test_several_bands_need_a_choice(self, write_raster):
        codes = np.ones((2, *FINE.shape), np.uint8)
        path = write_raster("qa.tif", codes, FINE.transform)
        with pytest.raises(InputError, match="has 2 bands; say which one is the mask"):
            read(path)
        assert read(f"{path},band=2").all()

    def test_a_mask_elsewhere_would_leave_nothing(self, write_raster):
        ones = np.ones(FINE.shape, np.uint8)
        path = write_raster("m.tif", ones, FINE.transform * Affine.translation(5000, 0))
        with pytest.raises(InputError, match="does not overlap"):
            read(path)
