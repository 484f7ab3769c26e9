"""Laws of a run's facts: whatever pixels depend on is one, and nothing else is taken for done."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from groklst_cli.errors import OutputExistsError, UsageError
from groklst_cli.geo.masks import MaskFile, Masks, parse_rule
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import run
from groklst_cli.pipeline.downscale.contents import Contents
from groklst_cli.pipeline.downscale.facts import BESIDE_PIXELS, facts_of
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Job
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.opening import open_scene
from groklst_cli.pipeline.predict.plan import plan_of
from tests.conftest import read

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
FINE = NORTH * Affine.scale(1 / 4)

CHANGES: Mapping[str, Any] = {
    "lst": BandSource("lst.tif", band=2),
    "guides": (BandSource("guide.tif", "g", 2),),
    "scale": 2,
    "model": "tsharp",
    "lst_units": "C",
    "resampling": "nearest",
    "coregister": "none",
    "psf": 1.5,
    "conserve": "radiance",
    "noise": 0.5,
    "sensor_psf": 0.5,
    "tile": 64,
    "overlap": 16,
    "batch": 3,
    "device": "mps",
    "precision": "bf16",
    "seed": 7,
    "samples": 3,
    "masks": Masks((MaskFile(BandSource("guide.tif", band=1), parse_rule("not=0")),)),
    "min_clear": 0.7,
    "fill_masked": True,
    "bounds": (500000, 4398000, 501000, 4400000),
    "dst_nodata": -1.0,
    "creation": {"COMPRESS": "ZSTD"},
}
"""Another value for each field of a request that pixels depend on."""

SAID: Mapping[str, Any] = {"name": "other", "band": 2}
"""Another value for each field of a source that was there when this was written."""


class Stopped(BaseException):
    """What kill -9 would do, without the kill."""


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    guide = rng.uniform(0, 1, (2, 96, 80))
    follows = 290 + 30 * guide[0].reshape(24, 4, 20, 4).mean((1, 3))
    lst = np.stack([follows, rng.normal(300, 5, (24, 20))])
    write_raster("lst.tif", lst.astype(np.float32), NORTH)
    write_raster("guide.tif", guide.astype(np.float32), FINE)
    monkeypatch.chdir(tmp_path)


def request(**changes: object) -> Request:
    settled: dict[str, Any] = {
        "lst": BandSource("lst.tif", band=1),
        "output": Path("out.tif"),
        "guides": (BandSource("guide.tif", "g", 1),),
        "scale": 4,
        "model": "ridge",
        "device": "cpu",
    }
    return Request(**settled | changes)


def digest(asked: Request) -> str:
    """Name a request by its facts; what only changes the plan is planned as for the first."""
    wanted = replace(asked, lst_units=None, device="cpu", lst=replace(asked.lst, path="lst.tif"))
    with open_scene(wanted, wanted.lst, wanted.guides) as scene:
        plan = plan_of(wanted, scene)
    plan = replace(plan, units=asked.lst_units or "K")
    facts = facts_of(asked, plan, {}, Inputs.of(asked))
    return Job(asked.output, facts, resume=False, overwrite=False).digest


def test_every_field_is_a_fact_or_says_why_not():
    names = {field.name for field in fields(Request)}
    assert names == CHANGES.keys() | BESIDE_PIXELS.keys()
    assert not CHANGES.keys() & BESIDE_PIXELS.keys()
    assert all(BESIDE_PIXELS.values())


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_that_changes_is_another_run(field):
    assert digest(request(**{field: CHANGES[field]})) != digest(request())


@pytest.mark.parametrize("field", [field.name for field in fields(BandSource)][1:])
@pytest.mark.parametrize("whose", ["lst", "guides"])
def test_all_that_is_said_of_a_file_is_a_fact(field, whose):
    """Nothing of a source stands in a table: a field that it is given later counts too."""
    plain = request()
    source = plain.lst if whose == "lst" else plain.guides[0]
    value = SAID.get(field, 7.0)
    other = object.__new__(BandSource)
    for each in fields(BandSource):
        object.__setattr__(other, each.name, getattr(source, each.name))
    object.__setattr__(other, field, value)
    with open_scene(plain, plain.lst, plain.guides) as scene:
        plan = plan_of(plain, scene)
    changed = replace(plain, **{whose: other if whose == "lst" else (other,)})
    inputs = Inputs.of(plain)
    assert facts_of(changed, plan, {}, inputs) != facts_of(plain, plan, {}, inputs)


def test_a_field_that_is_added_is_a_fact():
    @dataclass(frozen=True)
    class Wider(Request):
        taste: str = "plain"

    asked = {field.name: getattr(request(), field.name) for field in fields(Request)}
    assert digest(Wider(**asked)) != digest(Wider(**asked, taste="sweet"))


def test_fields_of_the_table_change_nothing():
    other = {
        "output": Path("elsewhere.tif"),
        "named": "lst",
        "provenance": {"GROKLST_COMMAND": "another"},
        "like": None,
        "resolution": 60.0,
        "uncertainty": Path("u.tif"),
        "picture": Path("p.png"),
        "page": Path("page.html"),
        "overwrite": True,
        "resume": False,
        "skip_existing": True,
        "jobs": 1,
        "workers": 2,
        "scheduler": None,
        "online": True,
    }
    assert other.keys() == BESIDE_PIXELS.keys()
    assert digest(request(**other)) == digest(request())


@pytest.mark.parametrize(
    "other",
    [
        {"guides": (BandSource("guide.tif", "g", 2),)},
        {"lst": BandSource("lst.tif", band=2)},
    ],
    ids=["guide", "lst"],
)
class TestAnotherBand:
    def test_is_not_taken_for_done(self, other):
        downscale(request())
        before = read("out.tif")
        with pytest.raises(OutputExistsError, match="of another run"):
            downscale(request(**other, skip_existing=True))
        made = downscale(request(**other, skip_existing=True, overwrite=True))
        assert not made.skipped
        assert np.abs(read("out.tif") - before).max() > 0.1

    def test_is_not_gone_on_with(self, other, monkeypatch):
        monkeypatch.setattr(run, "_write", stopped)
        with pytest.raises(Stopped):
            downscale(request())
        with pytest.raises(UsageError, match=r"was .*, band 1.* is now .*, band 2"):
            downscale(request(**other, resume=True))


def test_a_result_and_its_uncertainty_are_not_taken_for_each_other():
    downscale(request(uncertainty=Path("sure.tif")))
    swapped = request(output=Path("sure.tif"), uncertainty=Path("out.tif"), skip_existing=True)
    with pytest.raises(OutputExistsError, match="of another run"):
        downscale(swapped)
    again = request(uncertainty=Path("sure.tif"), skip_existing=True)
    assert downscale(again).skipped


class TestContents:
    def test_other_pixels_of_one_name_size_and_time_are_another_run(self, write_raster):
        downscale(request())
        before = os.stat("lst.tif")
        values = np.random.default_rng(9).normal(300, 5, (2, 24, 20)).astype(np.float32)
        write_raster("lst.tif", values, NORTH)
        os.utime("lst.tif", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert os.stat("lst.tif").st_size == before.st_size
        with pytest.raises(OutputExistsError, match="of another run"):
            downscale(request(skip_existing=True))

    def test_a_copy_that_keeps_its_time_is_the_same_and_a_touched_file_is_not(self, tmp_path):
        downscale(request())
        shutil.copy2("lst.tif", "other.tif")
        os.replace("other.tif", "lst.tif")
        assert downscale(request(skip_existing=True)).skipped
        os.utime("lst.tif", ns=(0, 0))
        with pytest.raises(OutputExistsError, match="of another run"):
            downscale(request(skip_existing=True))

    def test_an_archive_that_is_replaced_is_another_run(self, tmp_path):
        inside = f"/vsizip/{tmp_path}/a.zip/guide.tif"
        asked = request(guides=(BandSource(inside, "g", 1),), skip_existing=True)
        zipped("a.zip", "guide.tif")
        downscale(asked)
        assert downscale(asked).skipped
        Path("guide.tif").write_bytes(Path("guide.tif").read_bytes() + b"\0")
        zipped("a.zip", "guide.tif")
        with pytest.raises(OutputExistsError, match="of another run"):
            downscale(asked)

    @pytest.mark.parametrize("size", [0, 1, 2**16, 2**16 + 1, 2**20])
    @pytest.mark.parametrize("where", [0.0, 0.3, 0.7, 1.0])
    def test_any_byte_of_a_small_file_counts(self, tmp_path, size, where):
        path = tmp_path / "file"
        held = bytearray(np.random.default_rng(size).bytes(size))
        path.write_bytes(held)
        found = Contents.of(path)
        assert found.differs_from(Contents.of(path)) is None
        if not size:
            return
        held[round(where * (size - 1))] ^= 1
        path.write_bytes(held)
        assert found.differs_from(Contents.of(path)) == f"its {size} bytes differ"
        path.write_bytes(held + b"\0")
        words = f"it has {size} bytes instead of {size + 1}"
        assert found.differs_from(Contents.of(path)) == words

    def test_both_ends_of_a_large_file_count(self, tmp_path):
        path = tmp_path / "file"
        seen = set()
        for place in (0, 2**25 - 1):
            with open(path, "wb") as file:
                file.truncate(2**25)
                file.seek(place)
                file.write(b"\1")
            seen.add(Contents.of(path))
        assert len(seen) == 2


def zipped(archive: str, *names: str) -> None:
    import zipfile

    with zipfile.ZipFile(archive, "w") as made:
        for name in names:
            made.write(name)


def stopped(*arguments: object) -> float:
    _, _, rows = arguments
    next(rows)
    raise Stopped
