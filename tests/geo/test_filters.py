import numpy as np
import pytest
from scipy.ndimage import correlate1d

from groklst_cli.geo.filters import correlate

SCIPY = {"symmetric": "reflect", "wrap": "wrap", "constant": "constant"}


@pytest.mark.parametrize("edge", SCIPY)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("taps", [1, 5, 23])
def test_it_is_the_correlation_that_scipy_computes(edge, axis, taps):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(9, 12)), rng.normal(size=taps)
    expected = correlate1d(values, weights, axis=axis, mode=SCIPY[edge])
    np.testing.assert_allclose(correlate(values, weights, axis, edge), expected, atol=1e-12)


def test_a_window_holds_the_bits_of_the_whole():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=(40, 30)), rng.normal(size=7)
    whole = correlate(values, weights, 0)
    np.testing.assert_array_equal(
        correlate(values[10:31, 5:9], weights, 0)[3:-3], whole[13:28, 5:9]
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_a_part_of_the_axis_is_that_part_of_the_whole(axis):
    values = np.random.default_rng(0).normal(size=(20, 30))
    whole = correlate(values, [1, 2, 4, 3, 1], axis)
    for part in (slice(0, 5), slice(3, 17), slice(18, 20)):
        found = correlate(values, [1, 2, 4, 3, 1], axis, part=part)
        np.testing.assert_array_equal(found, whole[part] if axis == 0 else whole[:, part])
