"""Fill values that nobody declared are found, named so that they read back, and never taken."""

import numpy as np
import pytest
import rasterio

from groklst_cli.errors import UsageError
from groklst_cli.geo import guide_values
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.fills import fill_of_lst
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.summary import ValueSummary
from tests.trust.rasters import COARSE, FINE, UTM, write
from tests.trust.refusal import refuse
from tests.trust.value_cases import (
    CELSIUS,
    HOLES,
    OUTSIDE,
    SHARP,
    advised,
    bad,
    complaint,
    follow,
    kelvin,
    scene,
)

LOWEST = np.finfo(np.float32).min
DIGITS = (2000 + 6000 * SHARP).astype(np.uint16)
HEIGHTS = (600 + 400 * SHARP).astype(np.int16)
GUIDED = "lst.tif -g guide.tif"
ASKEW = FINE * FINE.translation(0.3, 0.4)

LSTS = {
    "0 of an exported region": (np.where(OUTSIDE, 0, CELSIUS), "0"),
    "149 K of a scaled 0": (np.where(OUTSIDE, 149, kelvin()), "149"),
    "-124.15 of a scaled 0": (np.where(OUTSIDE, -124.15, CELSIUS), "-124.15"),
    "-9999": (np.where(OUTSIDE, -9999, kelvin()), "-9999"),
    "-32768": (np.where(OUTSIDE, -32768, CELSIUS), "-32768"),
    "lowest float32": (np.where(OUTSIDE, LOWEST, kelvin()), "-3.4028235e+38"),
    "1e20": (np.where(OUTSIDE, 1e20, kelvin()), "1e+20"),
    "one pixel of 65535": (np.where(np.arange(120).reshape(10, 12) == 7, 65535, kelvin()), "65535"),
}
GUIDES = {
    "0 beyond a swath": (np.where(HOLES, 0, DIGITS).astype(np.uint16), "0"),
    "voids of a DEM": (np.where(HOLES, -32768, HEIGHTS).astype(np.int16), "-32768"),
    "-9999 in floats": (np.where(HOLES, np.float32(-9999), SHARP), "-9999"),
    "65535 in counts": (np.where(HOLES, 65535, DIGITS).astype(np.uint16), "65535"),
    "highest float32": (np.where(HOLES, -LOWEST, SHARP), "3.4028235e+38"),
    "unusual value": (np.where(HOLES, -77, HEIGHTS).astype(np.int16), "-77"),
}
ROWS = [
    *(
        bad(
            f"LST with {name}", scene(v.astype(np.float32)), f"exactly {s} and", f"--src-nodata {s}"
        )
        for name, (v, s) in LSTS.items()
    ),
    *(
        bad(f"guide with {name}", scene(guide=v), f"exactly {s} and", f"nodata={s}", typed=GUIDED)
        for name, (v, s) in GUIDES.items()
    ),
    bad("nodata twice", scene(), "twice", typed="lst.tif,nodata=0,nodata=1", code=2),
    bad("nodata in words", scene(), "neither a number", typed="lst.tif,nodata=no", code=2),
    bad("src-nodata in words", scene(), "--src-nodata 'x'", typed="lst.tif --src-nodata x", code=2),
    bad(
        "nodata said twice",
        scene(),
        "leave one",
        typed="lst.tif,nodata=1 --src-nodata 2",
        code=2,
    ),
    bad(
        "nodata that the type cannot hold",
        scene(guide=DIGITS),
        "cannot equal nodata -1",
        "0 … 65535",
        typed="lst.tif -g guide.tif,nodata=-1",
        code=2,
    ),
    bad(
        "nodata beyond float32",
        scene(),
        "holds float32",
        typed="lst.tif --src-nodata 1e300",
        code=2,
    ),
    bad(
        "nothing but nodata",
        scene(np.full_like(CELSIUS, 20)),
        "no valid pixel",
        typed="lst.tif,nodata=20",
    ),
]


@pytest.mark.parametrize(("make", "case"), ROWS)
def test_a_fill_is_one_line_and_leaves_nothing(make, case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    refuse(case, capsys)


@pytest.mark.parametrize("name", LSTS)
def test_the_value_typed_as_the_line_says_makes_the_declared_result(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    values, stored = LSTS[name]
    values = values.astype(np.float32)
    scene(values)(tmp_path)
    line = complaint(capsys, "lst.tif")
    follow("lst.tif", "said.tif", *advised(line, r"add (--src-nodata \S+);"))
    write(tmp_path / "lst.tif", values, nodata=float(np.float32(stored)))
    follow("lst.tif", "declared.tif")
    with rasterio.open("said.tif") as said, rasterio.open("declared.tif") as declared:
        np.testing.assert_array_equal(said.read(), declared.read())


@pytest.mark.parametrize("transform", [FINE, ASKEW], ids=["aligned", "warped"])
@pytest.mark.parametrize("name", GUIDES)
def test_a_guides_value_typed_as_the_line_says_makes_the_declared_guide(
    name, transform, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    values, stored = GUIDES[name]
    scene(guide=values, transform=transform)(tmp_path)
    line = complaint(capsys, "lst.tif", "-g", "guide.tif")
    (typed,) = advised(line, r"write -g (\S+?);")
    follow("lst.tif", "said.tif", "-g", typed)
    fine, everything = Grid(UTM, FINE, 40, 48), (slice(0, 40), slice(0, 48))
    said = GuideSource(BandSource.parse(typed), fine).read(*everything)
    declared = values.dtype.type(float(stored))
    write(tmp_path / "guide.tif", values, transform, nodata=declared)
    known = GuideSource(BandSource("guide.tif"), fine).read(*everything)
    np.testing.assert_array_equal(said, known)
    assert np.isnan(said).any()


@pytest.mark.parametrize("transform", [FINE, ASKEW], ids=["aligned", "warped"])
def test_what_the_file_declares_stays_missing_beside_what_a_user_says(transform, tmp_path):
    values = np.where(HOLES, 0, DIGITS).astype(np.int32)
    values[-8:, -8:] = -9999
    path = write(tmp_path / "guide.tif", values, transform, nodata=-9999)
    guide = GuideSource(BandSource(str(path), nodata=0), Grid(UTM, FINE, 40, 48))
    read = guide.read(slice(0, 40), slice(0, 48))[0]
    guide.close()
    assert np.isnan(read[2, 2])
    assert np.isnan(read[-3, -3])
    assert np.nanmin(read) >= DIGITS.min()


def gradient(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 1920).reshape(40, 48)


MEASURED = {
    "sea of height 0": np.where(HOLES, 0, gradient(1, 400)).astype(np.int16),
    "land mask": HOLES.astype(np.uint8),
    "shadow of reflectance 0": np.where(HOLES, 0, gradient(1, 3000)).astype(np.int16),
    "water of index 0": np.where(HOLES, 0, gradient(0.01, 0.8)).astype(np.float32),
    "cover in percent": np.where(HOLES, 0, gradient(0, 100)).astype(np.uint8),
    "saturated bytes": np.where(HOLES, 255, gradient(20, 255)).astype(np.uint8),
    "one value": np.full((40, 48), 7, np.uint8),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_was_measured_raises_no_doubt(name, tmp_path):
    path = write(tmp_path / "guide.tif", MEASURED[name], FINE)
    guide = GuideSource(BandSource(str(path)), Grid(UTM, FINE, 40, 48))
    assert guide.doubts() == []
    guide.close()


def test_an_index_of_0_far_from_all_others_is_worth_a_word(tmp_path):
    values = np.where(HOLES, 0, gradient(0.7, 0.9)).astype(np.float32)
    path = write(tmp_path / "guide.tif", values, FINE)
    guide = GuideSource(BandSource(str(path)), Grid(UTM, FINE, 40, 48))
    (doubt,) = guide.doubts()
    guide.close()
    assert "are exactly 0 and" in doubt


def test_what_was_said_of_a_guide_is_remembered_until_the_file_is_written_again(
    tmp_path, monkeypatch
):
    looked = []
    look = guide_values._look
    monkeypatch.setattr(guide_values, "_look", lambda *given: looked.append(given) or look(*given))
    for low, times, doubts in ((0.7, 1, 1), (0.7, 1, 1), (0.01, 2, 0), (0.01, 2, 0)):
        values = np.where(HOLES, 0, gradient(low, 0.9)).astype(np.float32)
        if len(looked) < times:
            path = write(tmp_path / "guide.tif", values, FINE)
        guide = GuideSource(BandSource(str(path)), Grid(UTM, FINE, 40, 48))
        assert len(guide.doubts()) == doubts
        guide.close()
        assert len(looked) == times
    again = GuideSource(BandSource(str(path)), Grid(UTM, FINE, 40, 44))  # under another scene
    again.doubts()
    again.close()
    assert len(looked) == 3


@pytest.mark.parametrize("height", [473, 20])
def test_a_flat_lake_is_worth_a_word_at_most(height, tmp_path):
    values = np.where(HOLES, height, gradient(3840, 14143)).astype(np.uint16)
    path = write(tmp_path / "guide.tif", values, FINE)
    guide = GuideSource(BandSource(str(path)), Grid(UTM, FINE, 40, 48))
    assert len(guide.doubts()) == 1
    guide.close()
    lake = np.where(OUTSIDE, np.float32(285), np.linspace(295, 305, 120).reshape(10, 12))
    path = write(tmp_path / "lst.tif", lake.astype(np.float32), COARSE)
    assert LstSource(BandSource(str(path))).units == "K"


def test_a_handful_of_pixels_raises_no_doubt(tmp_path):
    values = np.linspace(287, 313, 16).reshape(4, 4).astype(np.float32)
    values[0, 0] = 276
    path = write(tmp_path / "guide.tif", values, FINE)
    guide = GuideSource(BandSource(str(path)), Grid(UTM, FINE, 4, 4))
    assert guide.doubts() == []
    guide.close()


def test_ice_at_0_with_colder_and_warmer_neighbours_is_measured(tmp_path):
    ice = np.clip(np.linspace(-2, 12, 120), 0, None).reshape(10, 12).astype(np.float32)
    path = write(tmp_path / "lst.tif", ice, COARSE)
    assert LstSource(BandSource(str(path))).units == "C"


def test_none_says_that_a_lonely_value_was_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene(np.where(OUTSIDE, np.float32(0), CELSIUS))(tmp_path)
    line = complaint(capsys, "lst.tif")
    follow("lst.tif", "o.tif", *advised(line, r"measured, add (--src-nodata none)"))


@pytest.mark.parametrize("cuts", [1, 3, 7])
def test_a_summary_of_parts_is_that_of_the_whole(cuts):
    values = np.round(np.random.default_rng(0).normal(300, 3, 999), 1)
    values[::5] = 0
    parts = np.array_split(values, cuts)
    whole, joined = ValueSummary.of(values), sum(map(ValueSummary.of, parts), ValueSummary())
    for name in ("low", "high", "count", "low_count", "high_count", "next_low", "next_high"):
        assert getattr(joined, name) == getattr(whole, name)
    assert joined.spread == pytest.approx(whole.spread, rel=1e-6)
    assert fill_of_lst(joined) is not None


@pytest.mark.parametrize(
    "text",
    ["a.tif", "red=a.tif,band=3", "a.tif,nodata=-9999,scaling=none", "n=a.tif,scaling=0.02+149"],
)
def test_a_source_is_written_as_it_is_read(text):
    source = BandSource.parse(text)
    assert str(source) == text
    assert BandSource.parse(str(source)) == source


def test_suffixes_stand_in_any_order():
    one = BandSource.parse("a.tif,scaling=tags,nodata=0,band=2")
    assert one == BandSource.parse("a.tif,band=2,nodata=0,scaling=tags")
    with pytest.raises(UsageError, match="twice"):
        BandSource.parse("a.tif,band=1,band=1")
