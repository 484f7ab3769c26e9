"""Laws of many scenes: each is done once, none stops another, and what is there is trusted last."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from groklst_cli.errors import InputError, OutputExistsError, UsageError
from groklst_cli.geo.flaws import find_flaw
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.pixel_hash import PIXELS_TAG, PixelHash
from groklst_cli.pipeline.downscale import many_scenes as many
from groklst_cli.pipeline.downscale.many_scenes import downscale_many
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.scene_list import read_scene_list
from groklst_models.fitted.bicubic import Bicubic
from tests.conftest import read

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)


@pytest.fixture
def request_of(write_raster, tmp_path):
    """Ask for a small scene of its own."""

    def make(name: str = "a", **options: object) -> Request:
        path = tmp_path / f"{name}.tif"
        if not path.exists():
            rng = np.random.default_rng(ord(name[0]))
            write_raster(path.name, rng.normal(300, 5, (12, 10)).astype(np.float32), NORTH)
        form = {"scale": 4, "model": "bicubic", **options}
        return Request(BandSource(str(path)), tmp_path / f"{name}_fine.tif", **form)

    return make


def test_each_scene_comes_out_as_it_would_alone(request_of, tmp_path):
    requests = [request_of(name) for name in "abc"]
    outcomes = list(downscale_many(requests))
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    for request in requests:
        alone = replace(request, output=tmp_path / "alone.tif", overwrite=True)
        downscale(alone)
        np.testing.assert_array_equal(read(request.output), read(alone.output))


@pytest.mark.parametrize(
    ("failure", "code", "error"),
    [
        (InputError("no CRS;\nset one"), 3, "no CRS; set one"),
        (MemoryError(), 5, "out of memory"),
        (OSError("disk gone"), 1, "OSError: disk gone"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
    ],
)
def test_a_scene_that_fails_stops_no_other(request_of, monkeypatch, failure, code, error):
    whole = many.downscale

    def fail(request: Request, **others: object) -> object:
        if request.lst.path.endswith("b.tif"):
            raise failure
        return whole(request, **others)

    monkeypatch.setattr(many, "downscale", fail)
    one, two, three = downscale_many([request_of(name) for name in "abc"])
    assert (one.status, two.status, three.status) == ("done", "failed", "done")
    assert (two.code, two.error) == (code, error)
    assert two.to_json()["output"].endswith("b_fine.tif")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_stops_all(request_of, monkeypatch, stop):
    def stopped(*arguments: object) -> None:
        raise stop

    scenes = downscale_many([request_of(name) for name in "ab"])
    assert next(scenes).status == "done"
    monkeypatch.setattr(Bicubic, "predict", stopped)
    with pytest.raises(stop):
        next(scenes)


def test_notes_say_whose_they_are(request_of):
    said: list[str] = []
    list(downscale_many([request_of("a"), request_of("b")], note=said.append))
    assert {line.partition(": ")[0][-5:] for line in said} == {"a.tif", "b.tif"}


def test_scenes_that_would_spoil_each_other_are_refused_before_anything_starts(
    request_of, tmp_path
):
    one = request_of("a")
    (tmp_path / "link").symlink_to(tmp_path)
    twin = replace(request_of("b"), output=tmp_path / "link" / "a_fine.tif")
    with pytest.raises(UsageError, match="would both be written"):
        next(downscale_many([one, twin]))
    eater = replace(request_of("b"), output=Path(one.lst.path), overwrite=True)
    with pytest.raises(UsageError, match="it is an input"):
        next(downscale_many([one, eater]))
    assert not one.output.exists()


class TestPixelHash:
    def test_it_does_not_depend_on_the_cut_nor_on_which_nan(self):
        values = np.random.default_rng(0).normal(300, 5, (7, 5)).astype(np.float32)
        values[2, 3] = np.nan
        other = values.copy()
        other.view(np.uint32)[2, 3] |= 0x80000001
        assert np.isnan(other[2, 3])
        whole, parts = PixelHash(), PixelHash()
        whole.add(values)
        for row in other:
            parts.add(row[None])
        assert str(whole) == str(parts)

    def test_one_bit_changes_it(self):
        values = np.full((2, 2), 300, np.float32)
        one, two = PixelHash(), PixelHash()
        one.add(values)
        values.view(np.uint32)[1, 1] ^= 1
        two.add(values)
        assert str(one) != str(two)

    @pytest.mark.parametrize("nodata", [float("nan"), -9999.0])
    @pytest.mark.parametrize(
        "creation",
        [
            *({"COMPRESS": name} for name in ("NONE", "LZW", "ZSTD", "LERC", "LERC_ZSTD")),
            {"SPARSE_OK": "YES", "BLOCKSIZE": "128"},
            {"compress": "lerc", "max_z_error": "0"},
        ],
        ids=str,
    )
    def test_it_holds_over_whatever_keeps_the_bits(self, request_of, creation, nodata):
        request = request_of(creation=creation, dst_nodata=nodata)
        with rasterio.open(request.lst.path, "r+") as lst:
            values = lst.read(1)
            values[:5] = np.nan
            lst.write(values, 1)
        downscale(request)
        assert downscale(replace(request, skip_existing=True)).skipped

    @pytest.mark.parametrize(
        "creation", [{"COMPRESS": "LERC", "MAX_Z_ERROR": "0.01"}, {"NBITS": "16"}], ids=str
    )
    def test_what_may_change_the_bits_has_none(self, request_of, creation):
        request = request_of(creation=creation)
        downscale(request)
        with rasterio.open(request.output) as made:
            assert PIXELS_TAG not in made.tags()
        with pytest.raises(OutputExistsError, match="lossy --co"):
            downscale(replace(request, skip_existing=True))

    @pytest.mark.parametrize("creation", [{"COMPRESS": "JPEG"}, {"compress": "webp"}], ids=str)
    def test_what_gdal_would_store_as_nothing_is_refused(self, request_of, creation):
        with pytest.raises(UsageError, match=r"--co .*is not valid"):
            downscale(request_of(creation=creation))


class TestSkipExisting:
    def test_only_what_is_missing_is_made(self, request_of, tmp_path):
        requests = [request_of(name, skip_existing=True) for name in "abc"]
        downscale(requests[1])
        before = requests[1].output.stat().st_mtime_ns
        outcomes = list(downscale_many(requests))
        assert [outcome.status for outcome in outcomes] == ["done", "skipped", "done"]
        assert requests[1].output.stat().st_mtime_ns == before
        assert not list(tmp_path.glob(".*"))

    def refused(self, request: Request, match: str) -> None:
        before = request.output.read_bytes()
        with pytest.raises(OutputExistsError, match=match):
            downscale(replace(request, skip_existing=True))
        assert request.output.read_bytes() == before
        again = downscale(replace(request, skip_existing=True, overwrite=True))
        assert not again.skipped
        assert downscale(replace(request, skip_existing=True)).skipped

    def test_a_changed_pixel_is_found(self, request_of):
        request = request_of()
        downscale(request)
        with rasterio.open(request.output, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as made:
            values = made.read(1)
            values[30, 20] += 0.001
            made.write(values, 1)
        self.refused(request, "its pixels do not match")

    def test_damage_to_a_block_is_found(self, request_of):
        request = request_of()
        downscale(request)
        with rasterio.open(request.output) as made:
            offset = int(made.get_tag_item("BLOCK_OFFSET_0_0", dm="TIFF", bidx=1))
        whole = bytearray(request.output.read_bytes())
        whole[offset + 500 : offset + 600] = bytes(100)
        request.output.write_bytes(bytes(whole))
        self.refused(request, "add --overwrite")

    def test_a_file_that_broke_off_is_found(self, request_of):
        request = request_of()
        downscale(request)
        os.truncate(request.output, request.output.stat().st_size // 2)
        self.refused(request, "add --overwrite")

    def test_anothers_file_is_found(self, request_of):
        request = request_of()
        request.output.write_text("precious")
        self.refused(request, "cannot be read")

    def test_another_job_is_found(self, request_of):
        request = request_of()
        downscale(replace(request, scale=2))
        self.refused(request, "of another run")

    def test_a_changed_input_is_found(self, request_of):
        request = request_of()
        downscale(request)
        with rasterio.open(request.lst.path, "r+") as lst:
            lst.write(lst.read(1) + 1, 1)
        self.refused(request, "of another run")

    def test_the_uncertainty_counts_as_well(self, request_of, tmp_path):
        sigma = tmp_path / "sigma.tif"
        request = request_of(uncertainty=sigma)
        downscale(request)
        assert downscale(replace(request, skip_existing=True)).skipped
        os.truncate(sigma, sigma.stat().st_size - 64)
        self.refused(request, "sigma.tif exists, but")
        sigma.unlink()
        self.refused(request, "sigma.tif does not")

    def test_the_picture_has_to_be_there(self, request_of, tmp_path):
        request = request_of(picture=tmp_path / "picture.png")
        downscale(request)
        assert downscale(replace(request, skip_existing=True)).skipped
        (tmp_path / "picture.png").unlink()
        self.refused(request, "picture.png does not")

    def test_a_finished_output_has_no_flaw_but_another_jobs(self, request_of):
        request = request_of()
        downscale(request)
        with rasterio.open(request.output) as made:
            job = made.tags()["GROKLST_JOB"]
        assert find_flaw(request.output, job) is None
        assert find_flaw(request.output, "0" * 32) is not None


class TestSceneList:
    def rows(self, tmp_path: Path, name: str, text: str | bytes) -> list[dict[str, object]]:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [dict(row.cells) for row in read_scene_list(path)]

    def test_both_kinds_say_the_same(self, tmp_path):
        table = (
            "lst,guide,guide,scale,bounds,lst-units,dst_nodata\n"
            'a.tif,red=r.tif,"ms.tif,band=2",4,0 1 2.5 3,K,-9999\n'
            "\nb.tif,,,,,,\n"
        )
        lines = (
            '{"lst": "a.tif", "guide": ["red=r.tif", "ms.tif,band=2"], "scale": 4, '
            '"bounds": [0, 1, 2.5, 3], "lst_units": "K", "dst_nodata": -9999}\n'
            '\n{"lst": "b.tif", "model": null}\n'
        )
        expected = [
            {
                "lst": ("a.tif",),
                "guide": ("red=r.tif", "ms.tif,band=2"),
                "scale": ("4",),
                "bounds": ("0 1 2.5 3",),
                "lst_units": ("K",),
                "dst_nodata": ("-9999",),
            },
            {"lst": ("b.tif",)},
        ]
        assert self.rows(tmp_path, "a.csv", table) == expected
        assert self.rows(tmp_path, "a.jsonl", lines) == expected
        assert self.rows(tmp_path, "bom.csv", b"\xef\xbb\xbf" + table.encode()) == expected
        assert self.rows(tmp_path, "dos.csv", table.replace("\n", "\r\n")) == expected

    @pytest.mark.parametrize(
        ("name", "text", "says"),
        [
            ("a.txt", "lst\na.tif\n", "name a .csv or .jsonl file"),
            ("a.csv", "", "has no column lst"),
            ("a.csv", "lst\n", "contains no scene"),
            ("a.csv", "output\na.tif\n", "line 1 has no column lst"),
            ("a.csv", "lst,colour\na.tif,red\n", "line 1: 'colour' is not a key"),
            ("a.csv", "lst,scale,scale\na.tif,2,4\n", "line 1 names scale twice"),
            ("a.csv", "lst,scale\na.tif\n", "line 2 has 1 cells, the header has 2"),
            ("a.csv", "lst,scale\na.tif,2\n,2\n", "line 3 has no lst"),
            ("a.csv", 'lst\n"a.tif\n', "quote cells"),
            ("a.csv", b"lst\n\xff\xfe\n", "not UTF-8"),
            ("a.csv", b"lst\na\0.tif\n", "line 2 contains a NUL"),
            ("a.csv", "lst\n" + "a" * 2**20 + "\n", "line 2 is longer"),
            ("a.csv", 'lst\n"' + "a\n" * 2**17, "field larger than field limit"),
            ("a.jsonl", "\n\n", "contains no scene"),
            ("a.jsonl", '{"lst": "a.tif"}\n{', "line 2 is not JSON"),
            ("a.jsonl", '["a.tif"]', "line 1 is not a JSON object"),
            ("a.jsonl", '{"scale": 2}', "line 1 has no lst"),
            ("a.jsonl", '{"lst": ["a.tif"]}', "lst is"),
            ("a.jsonl", '{"lst": "a.tif", "lst": "b.tif"}', "has a key twice"),
            ("a.jsonl", '{"lst": "a.tif", "scale": "8"}', "scale is"),
            ("a.jsonl", '{"lst": "a.tif", "scale": true}', "scale is true, expected number"),
            ("a.jsonl", '{"lst": "a.tif", "guide": [1]}', "list of strings"),
            ("a.jsonl", '{"lst": "a.tif", "guide": {"red": "r.tif"}}', "guide is"),
            ("a.jsonl", '{"lst": "a.tif", "bounds": ["0"]}', "list of numbers"),
            ("a.jsonl", "[" * 100_000, "is not JSON"),
            ("a.jsonl", '{"lst": "a.tif", "scale": ' + "9" * 10_000 + "}", "is not JSON"),
        ],
    )
    def test_what_does_not_make_sense_is_refused_by_file_and_line(self, tmp_path, name, text, says):
        with pytest.raises(UsageError) as refused:
            self.rows(tmp_path, name, text)
        assert says in str(refused.value)
        assert str(tmp_path / name) in str(refused.value)
        assert len(str(refused.value)) < 600

    def test_a_list_that_is_not_there_is_an_input_error(self, tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            list(read_scene_list(tmp_path / "absent.csv"))
