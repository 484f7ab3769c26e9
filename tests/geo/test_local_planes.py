"""What neighbours say of a value: the same in any window, and no more than is in doubt."""

import numpy as np
import pytest

from groklst_cli.geo.conserve import Conservation, block_means
from groklst_cli.geo.local_planes import local_plane, weighed

RADIUS = 3


def with_gaps(shape=(40, 30), share=0.3, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, shape)
    return np.where(rng.random(shape) < share, np.nan, values)


def test_a_constant_is_its_own_plane():
    values = np.where(np.isnan(with_gaps()), np.nan, 2.5)
    plane, variance = local_plane(values, RADIUS)
    np.testing.assert_allclose(plane, 2.5, atol=1e-9)
    np.testing.assert_allclose(variance, 0, atol=1e-9)


def test_it_goes_on_where_neighbours_lead():
    rows, columns = np.mgrid[0:30, 0:30].astype(float)
    slope = 0.5 * columns + 0.2 * rows
    values = np.where(columns < 15, slope, np.nan)
    plane, _ = local_plane(values, RADIUS)
    inside = np.s_[5:25, 15]
    mean_of_all = np.nanmean(values[5:25, 12:15])
    assert np.abs(plane[inside] - slope[inside]).max() < 0.3
    assert np.abs(mean_of_all - slope[inside]).max() > 0.8


def test_too_few_neighbours_say_nothing():
    values = np.full((20, 20), np.nan)
    values[0, 0] = 1
    plane, variance = local_plane(values, RADIUS)
    assert np.isnan(plane[5:, 5:]).all()
    assert np.isnan(variance[5:, 5:]).all()


@pytest.mark.parametrize("doubt", [0.0, 0.5, 1e9])
def test_a_value_counts_as_far_as_it_is_not_in_doubt(doubt):
    values = with_gaps()
    doubts = np.where(np.random.default_rng(1).random(values.shape) < 0.2, doubt, 0.0)
    sure = np.where(doubts > 0, np.nan, values)
    found = weighed(values, doubts, sure, np.zeros_like(values), RADIUS)
    settled = np.isfinite(sure)
    np.testing.assert_array_equal(found[settled], sure[settled])
    plane, _ = local_plane(sure, RADIUS)
    beside = np.isnan(values) & np.isfinite(plane)
    np.testing.assert_allclose(found[beside], plane[beside], atol=1e-12)
    doubtful = (doubts > 0) & np.isfinite(values) & np.isfinite(plane)
    apart = np.abs(found - plane)[doubtful] / np.abs(values - plane)[doubtful]
    assert apart.size == 0 or (apart <= 1).all()
    if doubt == 1e9:
        assert apart.max() < 1e-6


def test_a_window_holds_the_bits_of_the_whole():
    values = with_gaps((60, 30))
    whole = local_plane(values, RADIUS)
    part = local_plane(values[10:50], RADIUS)
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(other[RADIUS:-RADIUS], one[10 + RADIUS : 50 - RADIUS])


@pytest.mark.parametrize("radiance", [False, True])
@pytest.mark.parametrize("cloud", [0.0, 4.0])
def test_sure_pixels_keep_their_means_whatever_hides_others(radiance, cloud):
    rng = np.random.default_rng(2)
    fine = rng.normal(300, 3, (96, 80)).astype(np.float32)
    lst = (block_means(fine, 4) + rng.normal(0, 1, (24, 20))).astype(np.float32)
    hidden = np.where(rng.random(lst.shape) < 0.3, rng.random(lst.shape) / 2, 0).astype(np.float32)
    kept = Conservation(4, radiance)
    rows = [(0, fine[:40]), (10, fine[40:])]
    made = np.concatenate(
        [
            part
            for _, part in kept.apply(
                rows, lambda part: lst[part], 24, hidden=lambda part: hidden[part], cloud=cloud
            )
        ]
    )
    missing = kept.residual(lst, made)
    assert np.abs(missing[hidden == 0]).max() < 0.01
    assert np.abs(missing[hidden > 0]).max() > 0.1
