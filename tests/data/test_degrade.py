import numpy as np
import pytest

from groklst_cli.data.degrade import valid_means
from groklst_cli.data.statistics import RunningStatistics


def test_means_are_of_valid_pixels_and_need_half_of_them():
    fine = np.arange(16, dtype=np.float32).reshape(4, 4)
    fine[0, :2] = np.nan
    fine[0, 2:] = fine[1, 2] = np.nan
    coarse = valid_means(fine, 2)
    assert coarse[0, 0] == (4 + 5) / 2
    assert np.isnan(coarse[0, 1])
    assert coarse[1, 1] == (10 + 11 + 14 + 15) / 4


def test_moments_of_pieces_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(300, 5, 1000)
    pieces = RunningStatistics()
    for part in np.split(np.append(values, np.nan), [3, 3, 400]):
        pieces.add(part)
    facts = pieces.to_json()
    assert facts["count"] == 1000
    assert facts["mean"] == pytest.approx(values.mean())
    assert facts["std"] == pytest.approx(values.std())
    assert (facts["min"], facts["max"]) == (values.min(), values.max())
    assert RunningStatistics().to_json() == {"count": 0}
