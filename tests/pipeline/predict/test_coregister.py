"""Guides that lie beside the LST are found and moved back; the rest is left alone."""

import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import gaussian_filter

from groklst_cli.errors import UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.coregister import coregister
from groklst_cli.pipeline.predict.view import FileView
from groklst_models import coregistration

SCALE, SIDE = 4, 48
COARSE = Affine(240, 0, 500000, 0, -240, 4390000)


def scene_with(write_raster, shift: tuple[float, float], *, related: bool = True) -> Scene:
    """Make an LST that follows a guide whose georeference is off by columns and rows."""
    rng = np.random.default_rng(5)
    fine = gaussian_filter(rng.normal(size=(SIDE * SCALE, SIDE * SCALE)), 3) * 20
    truth = 300 - 5 * fine
    lst = truth.reshape(SIDE, SCALE, SIDE, SCALE).mean((1, 3)) + rng.normal(0, 0.1, (SIDE, SIDE))
    guide = fine if related else gaussian_filter(rng.normal(size=fine.shape), 3)
    placed = COARSE * Affine.translation(*shift) * Affine.scale(1 / SCALE)
    return Scene(
        BandSource(write_raster("lst.tif", lst.astype(np.float32), COARSE)),
        [BandSource(write_raster("guide.tif", guide.astype(np.float32), placed))],
        SCALE,
    )


@pytest.mark.parametrize(
    "shift", [(0.1, -0.1), (0.25, 0.0), (-0.4, 0.6), (0.9, -0.2), (-0.75, -0.85)]
)
def test_a_shift_is_found_to_a_tenth_and_undone(write_raster, shift):
    whole = (slice(8, 40), slice(8, 40))
    with scene_with(write_raster, (0.0, 0.0)) as scene:
        straight = scene.read_guide(*whole)
    notes = []
    with scene_with(write_raster, shift) as scene:
        crooked = scene.read_guide(*whole)
        found = coregister(scene, None, notes.append)
        mended = scene.read_guide(*whole)
    assert found[scene.guides[0].path] == pytest.approx(shift, abs=0.1)
    assert "moved back" in notes[0]
    assert np.abs(mended - straight).mean() < 0.35 * np.abs(crooked - straight).mean()


@pytest.mark.parametrize("shift", [(0.1, -0.1), (0.3, 0.55), (-0.75, 0.2)])
def test_where_the_search_begins_does_not_matter(write_raster, monkeypatch, shift):
    found = []
    with scene_with(write_raster, shift) as scene:
        for step in (0.25, 0.5, 1.0):
            monkeypatch.setattr(coregistration, "_FIRST", step)
            found.append(coregistration.estimate_shift(FileView(scene)))
    assert found[0] == found[1] == found[2]


def test_what_lies_right_or_says_nothing_is_left_where_it_is(write_raster):
    for shift, related in (((0.0, 0.0), True), ((0.5, 0.5), False)):
        notes = []
        with scene_with(write_raster, shift, related=related) as scene:
            before = scene.read_guide(slice(0, 48), slice(0, 48))
            assert coregister(scene, None, notes.append) == {}
            np.testing.assert_array_equal(scene.read_guide(slice(0, 48), slice(0, 48)), before)
        assert "not moved, because the shift is uncertain" in notes[0]


def test_a_stated_shift_is_applied_to_the_pixel(write_raster):
    with scene_with(write_raster, (0.0, 0.0)) as scene:
        before = scene.read_guide(slice(0, 48), slice(0, 48))
        coregister(scene, (0.5, -0.25), print)  # two fine columns, one fine row back
        after = scene.read_guide(slice(0, 48), slice(0, 48))
        np.testing.assert_array_equal(after[:, 1:, :-2], before[:, :-1, 2:])
        assert np.isnan(after[:, 0]).all()


def test_more_than_a_coarse_pixel_is_refused(write_raster):
    with (
        scene_with(write_raster, (0.0, 0.0)) as scene,
        pytest.raises(UsageError, match="correct the guide"),
    ):
        coregister(scene, (1.5, 0.0), print)
