"""What masks leave of an LST, and what is found of values that are clear in part."""

import numpy as np
import pytest

from groklst_cli.geo.masks import look_at

SIDE = 64


def scene(seed=0, cold=25.0):
    """A smooth LST, the share of it that is clear, and its values with the cloud in them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    lst = 300 + 3 * np.sin(rows / 9) + 2 * np.cos(columns / 7) + rng.normal(0, 0.5, (SIDE, SIDE))
    distance = np.hypot(rows - 30, columns - 28) - 14 + 3 * np.sin(columns / 5)
    shares = np.clip(distance + 0.5, 0, 1).astype(np.float32)
    return lst.astype(np.float32), shares, (lst - (1 - shares) * cold).astype(np.float32)


def look(lst, shares, min_clear=0.5, step=16):
    chunks = [slice(start, min(SIDE, start + step)) for start in range(0, SIDE, step)]
    return look_at(chunks, SIDE, lambda rows: lst[rows], lambda rows: shares[rows], min_clear)


@pytest.mark.parametrize("min_clear", [0.0, 0.3, 0.5, 1.0])
def test_it_counts_what_is_clear(min_clear):
    lst, shares, _ = scene()
    lst[:3] = np.nan
    found = look(lst, shares, min_clear)
    there = np.isfinite(lst)
    assert found.known == np.sum(there & (shares >= min_clear))
    assert found.wholly == np.sum(there & (shares >= 1))
    assert found.share == pytest.approx(shares[there].mean(), abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_values_of_land_and_cloud_are_told_from_those_of_land(seed):
    lst, shares, cloudy = scene(seed)
    assert look(lst, shares).reason == "alike"
    found = look(cloudy, shares)
    assert found.reason == "cloudy"
    assert found.contrast == pytest.approx(-25, abs=3)


def test_few_edges_tell_nothing():
    lst, shares, _ = scene()
    shares[:] = 1
    shares[20, 20] = 0.7
    found = look(lst, shares)
    assert (found.reason, found.partly) == ("untold", 1)


def test_where_little_is_wholly_clear_the_rest_counts():
    _, _, cloudy = scene()
    shares = np.full((SIDE, SIDE), 0.8, np.float32)
    found = look(cloudy, shares)
    assert found.reason == "needed"
    assert found.mean == pytest.approx(cloudy.mean(dtype=np.float64))


def test_the_mean_is_of_values_that_count():
    _, shares, cloudy = scene()
    found = look(cloudy, shares)
    assert found.mean == pytest.approx(cloudy[shares >= 1].mean(dtype=np.float64))


def test_nothing_is_left_of_nothing():
    lst, shares, _ = scene()
    assert look(lst, np.zeros_like(shares)).known == 0
