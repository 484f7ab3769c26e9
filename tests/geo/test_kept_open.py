"""Guides that scenes have in common stay open, as long as their files are what they were."""

import numpy as np
import pytest

from groklst_cli.geo import kept_open
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.kept_open import keeping_open, leave_guide, open_guide
from tests.geo.test_align import FINE, WHOLE


@pytest.fixture
def guide(write_raster):
    def write(value: int) -> str:
        values = np.full(FINE.shape, value, np.uint16)
        return write_raster("guide.tif", values, FINE.transform)

    return write


def test_the_next_scene_takes_what_the_last_one_left(guide):
    path = guide(7)
    with keeping_open():
        first = open_guide(path)
        beside = open_guide(path)  # of the same scene
        assert beside is not first
        leave_guide(first)
        assert open_guide(path) is first
        leave_guide(first)
        leave_guide(beside)
        assert not first.closed
    assert first.closed
    assert beside.closed


def test_a_file_that_was_written_again_is_opened_again(guide):
    with keeping_open():
        for value in (7, 8):
            source = GuideSource(BandSource(guide(value)), FINE)
            assert (source.read(*WHOLE) == value).all()
            source.close()


def test_nothing_stays_open_for_a_single_scene(guide):
    left = open_guide(guide(7))
    leave_guide(left)
    assert left.closed
    with keeping_open():
        late = open_guide(guide(7))
    leave_guide(late)  # after the last scene
    assert late.closed


def test_what_one_still_needs_is_kept_when_another_leaves(guide):
    with keeping_open():
        with keeping_open():
            kept = open_guide(guide(7))
            leave_guide(kept)
        assert not kept.closed
    assert kept.closed


def test_a_vrt_is_opened_anew_because_its_sources_may_change(guide, tmp_path):
    (tmp_path / "guide.vrt").write_text(VRT)
    guide(7)
    with keeping_open():
        first = open_guide(str(tmp_path / "guide.vrt"))
        leave_guide(first)
        assert first.closed


def test_only_so_many_wait(guide, monkeypatch):
    monkeypatch.setattr(kept_open, "_MOST", 1)
    path = guide(7)
    with keeping_open():
        several = [open_guide(path) for _ in range(3)]
        for one in several:
            leave_guide(one)
        assert [one.closed for one in several] == [True, True, False]


VRT = f"""<VRTDataset rasterXSize="{FINE.width}" rasterYSize="{FINE.height}">
  <SRS>EPSG:32647</SRS>
  <GeoTransform>{", ".join(map(str, FINE.transform.to_gdal()))}</GeoTransform>
  <VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
    <SourceFilename relativeToVRT="1">guide.tif</SourceFilename><SourceBand>1</SourceBand>
  </SimpleSource></VRTRasterBand>
</VRTDataset>"""
