"""Laws of guides that are warped together: each has the bits that it has alone."""

from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Event
from time import sleep

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from groklst_cli.errors import InputError
from groklst_cli.geo import joint_warp
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.joint_warp import GuideReader
from groklst_cli.geo.scene import Scene
from tests.geo.test_align import FINE, around

COARSER = Affine.scale(4)
GEOGRAPHIC = CRS.from_epsg(4326)
ROWS, COLUMNS = slice(3, 90), slice(5, 71)


@pytest.fixture
def joined(monkeypatch):
    """How many guides were warped together, each time that was planned."""
    found = []

    class Counted(joint_warp.JointWarp):
        def __init__(self, guides, warping):
            found.append(len(guides))
            super().__init__(guides, warping)

    monkeypatch.setattr(joint_warp, "JointWarp", Counted)
    return found


@contextmanager
def opened(*paths, resampling="auto"):
    guides = [GuideSource(BandSource(path), FINE, resampling) for path in paths]
    try:
        yield guides
    finally:
        for guide in guides:
            guide.close()


def together(guides):
    values = np.empty((sum(len(g.names) for g in guides), 87, 66), np.float32)
    with closing(GuideReader()) as reader:
        reader.read_into(guides, values, ROWS, COLUMNS)
    return values


def one_by_one(guides):
    return np.concatenate([guide.read(ROWS, COLUMNS) for guide in guides])


def made(write_raster, name, dtype, pixel, gap=None, **options):
    """A guide of two bands in another CRS than the scene's."""
    there = around(FINE, GEOGRAPHIC, pixel)
    rng = np.random.default_rng(len(name))
    values = rng.uniform(1, 4000, (2, *there.shape)).astype(dtype)
    if gap is not None:
        values[:, 30:50, 20:60] = gap
    if np.issubdtype(dtype, np.floating):
        values[1, :20] = np.nan
    return write_raster(name, values, there.transform, crs=there.crs, **options)


@pytest.mark.parametrize("pixel", [1e-4, 3e-4])  # mean and bilinear
@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("uint16", {"gap": 0, "nodata": 0, "scale": 1e-4}),
        ("int16", {}),
        ("float32", {"gap": -9999, "nodata": -9999}),
        ("float64", {}),
    ],
)
def test_bits_are_those_of_each_alone(write_raster, joined, dtype, options, pixel):
    paths = [
        made(write_raster, name, dtype, pixel, **options)
        for name in ("a & b.tif", "<c>.tif", "d.tif")
    ]
    with opened(*paths) as guides:
        np.testing.assert_array_equal(together(guides), one_by_one(guides))
    assert joined == [3]


def test_only_neighbours_that_are_warped_alike_go_together(write_raster, joined):
    paths = [
        made(write_raster, "a.tif", "uint16", 3e-4),
        made(write_raster, "bb.tif", "uint16", 3e-4),
        made(write_raster, "ccc.tif", "float32", 3e-4),
        made(write_raster, "dddd.tif", "uint16", 2e-4),
        made(write_raster, "eeeee.tif", "uint16", 2e-4, nodata=7),
        write_raster("aligned.tif", np.ones(FINE.shape, np.uint16), FINE.transform),
        made(write_raster, "ffffff.tif", "uint16", 3e-4, mask=None),
    ]
    with opened(*paths) as guides:
        np.testing.assert_array_equal(together(guides), one_by_one(guides))
    assert joined == [2, 1, 1, 1, 1]


def test_one_that_is_moved_is_read_where_it_was_moved_to(write_raster):
    paths = [made(write_raster, name, "uint16", 3e-4) for name in ("a.tif", "bb.tif", "ccc.tif")]
    with opened(*paths) as guides, closing(GuideReader()) as reader:
        for move in ((0, 0, 0), (1.5, 1.5, 1.5), (1.5, 0, 0)):
            for guide, along in zip(guides, move, strict=True):
                guide.move(along, -along)
            values = np.empty((6, 87, 66), np.float32)
            reader.read_into(guides, values, ROWS, COLUMNS)
            np.testing.assert_array_equal(values, one_by_one(guides))


def test_a_damaged_file_is_named(write_raster, tmp_path):
    paths = [made(write_raster, name, "uint16", 3e-4) for name in ("a.tif", "bb.tif", "ccc.tif")]
    whole = (tmp_path / "bb.tif").read_bytes()
    (tmp_path / "bb.tif").write_bytes(whole[: len(whole) // 2])
    with opened(*paths) as guides, pytest.raises(InputError, match=r"bb\.tif"):
        together(guides)


def test_a_fill_value_that_is_not_declared_is_named_with_its_file(write_raster):
    paths = [
        made(write_raster, "a.tif", "float32", 3e-4),
        made(write_raster, "bb.tif", "float32", 3e-4, gap=-3.4e38),
    ]
    with opened(*paths) as guides, pytest.raises(InputError, match=r"bb\.tif holds -3\.4"):
        together(guides)


@pytest.mark.parametrize(("start", "stop"), [(0, 1700), (300, 1600), (511, 513), (700, 800)])
def test_threads_change_no_bits(write_raster, start, stop):
    wide = replace(FINE, width=1700, height=40)
    there = around(wide, GEOGRAPHIC, 3e-4)
    rng = np.random.default_rng(0)
    paths = [
        write_raster(
            name,
            rng.integers(1, 999, there.shape).astype(np.uint16),
            there.transform,
            crs=there.crs,
        )
        for name in ("a.tif", "b.tif", "c.tif")
    ]
    made = []
    for threads in (1, 2, 3, 8):
        with gdal_environment(threads=threads):
            guides = [GuideSource(BandSource(path), wide) for path in paths]
            values = np.full((3, 30, stop - start), -1, np.float32)
            with gdal_environment(), closing(GuideReader()) as reader:  # as a thread that reads
                reader.read_into(guides, values, slice(5, 35), slice(start, stop))
            made.append(values)
            for guide in guides:
                guide.close()
    alone = np.concatenate(
        [GuideSource(BandSource(p), wide).read(slice(5, 35), slice(start, stop)) for p in paths]
    )
    for values in made:
        np.testing.assert_array_equal(values, alone)


def test_guides_of_the_fine_grid_are_read_in_threads_and_the_first_damage_is_named(
    write_raster, tmp_path
):
    rng = np.random.default_rng(0)
    paths = [
        write_raster(name, rng.integers(0, 9, FINE.shape).astype(np.uint16), FINE.transform)
        for name in ("a.tif", "bb.tif", "ccc.tif", "dddd.tif")
    ]
    with gdal_environment(threads=3), opened(*paths) as guides:
        np.testing.assert_array_equal(together(guides), one_by_one(guides))
    for name in ("bb.tif", "dddd.tif"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    for threads in (1, 3):
        with (
            gdal_environment(threads=threads),
            opened(*paths) as guides,
            pytest.raises(InputError, match=r"bb\.tif"),
        ):
            together(guides)


@pytest.mark.parametrize("stop", [InputError, KeyboardInterrupt])
def test_no_guide_is_closed_while_a_thread_reads_it(write_raster, monkeypatch, stop):
    paths = [
        write_raster(name, np.ones(FINE.shape, np.uint16), FINE.transform)
        for name in ("a.tif", "b.tif", "c.tif")
    ]
    lst = write_raster("lst.tif", np.full((24, 20), 300, np.float32), FINE.transform * COARSER)
    reading, closed = Event(), []

    def doubts(guide):
        if guide.path.endswith("a.tif") and stop is InputError:
            raise InputError("it is made of classes")
        reading.set()
        sleep(0.2)
        closed.append(guide._dataset.closed)
        return []

    def interrupted(asked):
        reading.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(GuideSource, "doubts", doubts)
    if stop is KeyboardInterrupt:
        monkeypatch.setattr(joint_warp, "wait", interrupted)
    with gdal_environment(threads=2), pytest.raises(stop):
        Scene(BandSource(lst), [BandSource(path) for path in paths], 4)
    assert closed
    assert not any(closed)
