import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groklst_models.contract import Block
from groklst_models.sampling.folds import FIVE, FOUR, Folds
from groklst_models.sampling.places import even_places, shuffled_places, some_places

SHAPES = st.tuples(st.integers(1, 300), st.integers(1, 300))
FOLDS = pytest.mark.parametrize("folds", [FIVE, FOUR], ids=["five", "four"])


def block(row: int, column: int, shape: tuple[int, int]) -> Block:
    lst = np.zeros(shape, np.float32)
    return Block(row, column, lst, np.zeros((0, *shape), np.float32), slice(0, shape[0]))


def covered(shape, places) -> np.ndarray:
    count = np.zeros(shape, int)
    for rows, columns in places:
        count[rows, columns] += 1
    return count


@given(SHAPES, st.integers(3, 60))
def test_shuffled_windows_cover_the_scene_once_and_repeat(shape, side):
    places = shuffled_places(shape, side)
    assert (covered(shape, places) == 1).all()
    assert places == shuffled_places(shape, side)


@given(SHAPES, st.integers(3, 60), st.integers(1, 9))
def test_some_windows_lie_inside_and_apart_and_are_at_most_as_many(shape, side, count):
    places = some_places(shape, side, count)
    assert 1 <= len(places) <= count
    assert covered(shape, places).max() == 1
    assert all(r.stop - r.start <= side and c.stop - c.start <= side for r, c in places)


@given(SHAPES, st.integers(3, 60), st.integers(2, 6))
def test_even_windows_reach_from_edge_to_edge(shape, side, along):
    places = even_places(shape, side, along)
    assert covered(shape, places)[[0, 0, -1, -1], [0, -1, 0, -1]].all()
    assert len(places) <= along**2


@FOLDS
def test_folds_follow_the_place_in_the_scene_and_are_alike_in_size(folds):
    whole = folds.of(block(0, 0, (60, 60)))
    part = folds.of(block(7, 11, (20, 30)))
    assert torch.equal(part, whole[7:27, 11:41])
    counts = torch.bincount(whole.flatten(), minlength=folds.count)
    assert folds.count == len(counts)
    assert int(counts.max() - counts.min()) == 0


@FOLDS
def test_squares_side_by_side_are_of_different_folds(folds):
    squares = folds.of(block(0, 0, (60, 60)))[:: folds.side, :: folds.side]
    assert (squares[1:] != squares[:-1]).all()
    assert (squares[:, 1:] != squares[:, :-1]).all()


def test_a_pattern_says_how_many_folds_it_has():
    assert Folds(3, ((0, 2), (1, 0))).count == 3
