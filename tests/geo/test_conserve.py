import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from groklst_cli.geo.conserve import Conservation, block_means, known_means, smooth_field
from groklst_cli.geo.noise import REACH, Belief, kernel


@pytest.mark.parametrize("scale", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (30, 41)])
def test_the_fields_means_are_the_residual(scale, shape):
    residual = np.random.default_rng(1).normal(size=shape) * 5
    made = block_means(smooth_field(residual, scale), scale)
    np.testing.assert_allclose(made, residual, atol=2e-4)


@settings(max_examples=30)
@given(arrays(np.float64, (7, 6), elements=st.floats(-30, 30) | st.just(np.nan)))
def test_gaps_are_filled_and_the_rest_is_kept(residual):
    field = smooth_field(residual, 4)
    assert np.isfinite(field).all()
    known = ~np.isnan(residual)
    np.testing.assert_allclose(block_means(field, 4)[known], residual[known], atol=2e-3)


def test_no_block_edge_shows():
    residual = np.random.default_rng(2).normal(size=(40, 40))
    field = smooth_field(residual, 8)
    steps = np.abs(np.diff(field, axis=1))
    across = steps[:, 7::8].mean()
    inside = np.delete(steps, np.s_[7::8], axis=1).mean()
    assert across < 1.3 * inside  # boxes have nothing inside and all across


def test_a_plane_stays_a_plane_away_from_the_edge():
    rows, columns = np.mgrid[:50, :50]
    field = smooth_field(0.3 * rows + 0.2 * columns, 4)
    fine_rows, fine_columns = (np.mgrid[:200, :200] + 0.5) / 4 - 0.5
    inside = np.s_[80:120, 80:120]
    expected = 0.3 * fine_rows + 0.2 * fine_columns
    np.testing.assert_allclose(field[inside], expected[inside], atol=1e-4)


BELIEF = Belief(kernel(4, 12.0, 1.0, 0.7), 0.5, 0.6, 0.3, 0.4, 0.47)

KINDS = [
    Conservation(4),
    Conservation(4, radiance=True),
    Conservation(4, psf=0.4),
    Conservation(4, radiance=True, psf=0.3),
    Conservation(4, belief=BELIEF),
]


@pytest.mark.parametrize("kind", KINDS, ids=["mean", "radiance", "psf", "radiance-psf", "belief"])
@pytest.mark.parametrize("cuts", [[90], [1] * 90, [7, 13, 70], [89, 1], [20, 70]])
def test_streams_cut_anywhere_give_the_same_bits_and_keep_the_coarse_values(kind, cuts):
    rng = np.random.default_rng(3)
    lst = rng.normal(300, 5, (90, 8)).astype(np.float32)
    lst[20:24, 2:5] = np.nan
    fine = rng.normal(300, 5, (90 * 4, 8 * 4)).astype(np.float32)

    def stream(lengths):
        start = 0
        for length in lengths:
            yield start, fine[start * 4 : (start + length) * 4]
            start += length

    def run(lengths):
        told = []
        parts = list(
            kind.apply(
                stream(lengths), lambda part: lst[part], 90, lambda row, r: told.append((row, r))
            )
        )
        rows = [len(part) // 4 for _, part in parts]
        assert [first for first, _ in parts] == [sum(rows[:i]) for i in range(len(rows))]
        residual = np.concatenate([part for _, part in told])
        np.testing.assert_array_equal(residual, kind.residual(lst, fine))
        return np.concatenate([part for _, part in parts])

    whole = run([90])
    np.testing.assert_array_equal(run(cuts), whole)
    known = ~np.isnan(lst)
    if kind.belief is None:
        assert np.abs(kind.residual(lst, whole)[known]).max() < 0.005


def test_a_part_with_its_surroundings_has_the_bits_of_the_whole():
    kind = Conservation(4, belief=BELIEF)
    residual = np.random.default_rng(5).normal(size=(120, 90))
    residual[50:55, 40:44] = np.nan
    around = kind.halo
    whole = kind.field(residual)[60 * 4 : 64 * 4, 45 * 4 : 47 * 4]
    part = kind.field(residual[60 - around : 64 + around, 45 - around : 47 + around])
    inside = slice(around * 4, -around * 4)
    np.testing.assert_array_equal(part[inside, inside], whole)
    assert kind.halo == Conservation(4).halo + REACH


def test_a_belief_travels_and_compares():
    kind = Conservation(4, belief=BELIEF)
    assert pickle.loads(pickle.dumps(kind)) == kind
    assert hash(kind) == hash(Conservation(4, belief=BELIEF))
    assert kind != Conservation(4)


def test_block_means_do_not_depend_on_where_the_window_lies():
    fine = np.random.default_rng(4).normal(300, 5, (64, 72)).astype(np.float32)
    whole = block_means(fine, 8)
    np.testing.assert_array_equal(block_means(fine[16:40, 8:48], 8), whole[2:5, 1:6])


def test_known_means_leave_out_what_is_unknown():
    fine = np.arange(32.0).reshape(2, 4, 4)
    np.testing.assert_array_equal(known_means(fine, 2), [block_means(plane, 2) for plane in fine])
    fine[0, :2, :2] = np.nan
    fine[0, 0, 2] = np.nan
    np.testing.assert_array_equal(known_means(fine, 2)[0], [[np.nan, 16 / 3], [10.5, 12.5]])
    assert np.isnan(known_means(fine, 2, least=4)[0, 0, 1])


@pytest.mark.parametrize("kind", [Conservation(4), Conservation(3, psf=0.4)])
def test_some_rows_of_a_field_are_those_rows_of_the_whole(kind):
    residual = np.random.default_rng(0).normal(size=(30, 20))
    residual[4:9, 3] = np.nan
    whole = kind.field(residual)
    for rows in (slice(0, 1), slice(1, 12), slice(10, 29), slice(29, 30), slice(0, 30)):
        part = whole[rows.start * kind.scale : rows.stop * kind.scale]
        np.testing.assert_array_equal(kind.field(residual, rows=rows), part)
