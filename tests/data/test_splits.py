from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groklst_cli.data.patches import SPLITS
from groklst_cli.data.splits import cut, starts, too_near


@given(st.integers(1, 40), st.integers(0, 400), st.sampled_from([SPLITS, ("train", "val")]))
def test_parts_are_apart_by_a_patch_and_hold_one_each(patch, extra, sets):
    length = patch * (2 * len(sets) - 1) + extra
    parts = cut(length, patch, sets)
    assert [part.split for part in parts] == list(sets)
    assert parts[0].start == 0
    assert parts[-1].stop == length
    assert all(part.stop - part.start >= patch for part in parts)
    gaps = [b.start - a.stop for a, b in pairwise(parts)]
    assert gaps == [patch] * (len(sets) - 1)


def test_the_training_part_is_the_largest():
    sizes = [part.stop - part.start for part in cut(1000, 50, SPLITS)]
    assert sizes[0] > 4 * max(sizes[1:])


def test_a_side_that_is_too_short_says_what_it_takes():
    with pytest.raises(ValueError, match="takes 50 pixels"):
        cut(49, 10, SPLITS)


@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 60))
def test_patches_cover_a_part_and_stay_inside(start, length, patch):
    stop, places = start + length, starts(start, start + length, patch)
    covered = {p for place in places for p in range(place, min(place + patch, stop))}
    assert covered == set(range(start, stop))
    assert len(set(places)) == len(places)
    assert all(place + patch <= stop or place == start for place in places)


def test_training_yields_to_what_is_held_out_nearby():
    near, far = (1.0, 0.0, 2.0, 1.0), (5.0, 0.0, 6.0, 1.0)
    here = (0.0, 0.0, 1.0, 1.0)
    assert too_near("train", here, [("test", near)])
    assert too_near("val", here, [("test", near)])
    assert not too_near("train", here, [("test", far), ("train", near)])
    assert not too_near("test", here, [("train", near), ("val", near)])
