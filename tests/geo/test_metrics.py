import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groklst_cli.geo.metrics import SCORE_NAMES, MeanScores, Scores
from groklst_cli.geo.structure import gradient_magnitude


def fields(seed: int = 0, shape: tuple[int, int] = (24, 32)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    truth = 300 + 4 * np.sin(rows / 3) + 3 * np.cos(columns / 4) + random.normal(0, 0.5, shape)
    prediction = truth + random.normal(0.3, 0.8, shape)
    return prediction.astype(np.float32), truth.astype(np.float32)


def test_the_five_scores_are_those_of_the_benchmark():
    prediction, truth = fields()
    p, t = (plane.ravel().astype(float).tolist() for plane in (prediction, truth))
    n = len(p)
    errors = [a - b for a, b in zip(p, t, strict=True)]
    mean_p, mean_t = sum(p) / n, sum(t) / n
    sd_p = math.sqrt(sum((v - mean_p) ** 2 for v in p) / (n - 1))
    sd_t = math.sqrt(sum((v - mean_t) ** 2 for v in t) / (n - 1))
    shared = sum((a - mean_p) * (b - mean_t) for a, b in zip(p, t, strict=True)) / (n - 1)
    scores = Scores.of(prediction, truth)
    assert scores.rmse == pytest.approx(math.sqrt(sum(e * e for e in errors) / n))
    assert scores.mae == pytest.approx(sum(map(abs, errors)) / n)
    assert scores.bias == pytest.approx(sum(errors) / n)
    assert scores.cc == pytest.approx(shared / sd_p / sd_t)
    assert scores.rsd == pytest.approx(abs(sd_t - sd_p) / sd_t)


def test_a_perfect_prediction_has_perfect_scores():
    truth = fields()[1]
    scores = Scores.of(truth, truth, truth.astype(float).reshape(12, 2, 16, 2).mean((1, 3)))
    for name in ("rmse", "mae", "bias", "rsd", "rmse_free", "rmse_edges"):
        assert getattr(scores, name) == 0
    for name in ("cc", "ssim", "texture", "gradient_cc"):
        assert getattr(scores, name) == pytest.approx(1)
    assert scores.coarse_max < 1e-4


@given(st.floats(-5, 5))
def test_an_offset_is_bias_and_nothing_else(offset):
    prediction, truth = fields()
    before = Scores.of(prediction, truth)
    moved = Scores.of(prediction + np.float32(offset), truth)
    assert moved.bias == pytest.approx(before.bias + offset, abs=1e-4)
    for name in ("cc", "rsd", "rmse_free", "texture", "gradient_cc"):
        assert getattr(moved, name) == pytest.approx(getattr(before, name), abs=1e-4)
    assert moved.rmse**2 == pytest.approx(moved.rmse_free**2 + moved.bias**2, rel=1e-6)


def test_what_invalid_pixels_hold_changes_nothing():
    prediction, truth = fields()
    gaps = np.random.default_rng(1).random(truth.shape) < 0.2
    scores = []
    for where in ("prediction", "truth", "both"):
        fine, true = prediction.copy(), truth.copy()
        if where != "truth":
            fine[gaps] = np.nan
        if where != "prediction":
            true[gaps] = np.nan
        scores.append(Scores.of(fine, true))
    for other in scores[1:]:
        assert other.pixels == scores[0].pixels == (~gaps).sum()
        for name in ("rmse", "mae", "bias", "cc", "rsd", "rmse_free", "ssim", "texture"):
            assert getattr(other, name) == pytest.approx(getattr(scores[0], name), rel=1e-9)


def ssim_pixel_by_pixel(p: np.ndarray, t: np.ndarray, valid: np.ndarray) -> float:
    """Wang's formula, a window at a time, weights over the valid pixels only."""
    c1, c2 = (0.01 * np.ptp(t[valid])) ** 2, (0.03 * np.ptp(t[valid])) ** 2
    found = []
    for row, column in np.argwhere(valid):
        near = valid[max(0, row - 5) : row + 6, max(0, column - 5) : column + 6]
        rows, columns = np.argwhere(near).T
        rows, columns = rows + max(0, row - 5), columns + max(0, column - 5)
        weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 1.5**2))
        weight /= weight.sum()
        x, y = p[rows, columns], t[rows, columns]
        mean_x, mean_y = weight @ x, weight @ y
        var_x, var_y = weight @ (x - mean_x) ** 2, weight @ (y - mean_y) ** 2
        shared = weight @ ((x - mean_x) * (y - mean_y))
        level = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        found.append(level * (2 * shared + c2) / (var_x + var_y + c2))
    return float(np.mean(found))


def test_ssim_is_wangs_over_valid_pixels():
    prediction, truth = fields(shape=(17, 14))
    valid = np.random.default_rng(2).random(truth.shape) > 0.3
    truth[~valid] = np.nan
    expected = ssim_pixel_by_pixel(prediction.astype(float), truth.astype(float), valid)
    assert Scores.of(prediction, truth).ssim == pytest.approx(expected, abs=1e-9)


def test_smoothing_takes_texture_and_edges_away():
    _, truth = fields()
    smooth = (truth + np.roll(truth, 1, 0) + np.roll(truth, 1, 1) + np.roll(truth, -1, 0)) / 4
    scores = Scores.of(smooth, truth)
    assert scores.texture < 0.8
    assert scores.gradient_cc < 0.9


def test_errors_on_strong_gradients_are_told_apart():
    truth = np.full((20, 20), 300, np.float32)
    truth[:, 10:] += 5
    prediction = truth.copy()
    prediction[:, 9:11] += 1  # the two columns beside the step, a tenth of the image
    scores = Scores.of(prediction, truth)
    assert scores.rmse_edges == 1
    assert scores.rmse == pytest.approx(math.sqrt(0.1))


def test_the_gradient_of_a_plane_is_its_slope():
    rows, columns = np.indices((6, 7))
    slopes = gradient_magnitude(3.0 * rows + 4.0 * columns)
    assert np.allclose(slopes[1:-1, 1:-1], 5)
    assert np.isnan(slopes[0]).all()


def test_coarse_errors_are_of_whole_coarse_pixels():
    truth = fields(shape=(8, 8))[1]
    coarse = truth.astype(float).reshape(2, 4, 2, 4).mean((1, 3))
    coarse[0, 1] += 0.5
    prediction = truth.copy()
    prediction[7, 7] = np.nan  # its coarse pixel no longer counts
    prediction[0, 0] += 1.6  # 0.1 K in the mean of sixteen
    scores = Scores.of(prediction, truth, coarse.astype(np.float32))
    assert scores.coarse_max == pytest.approx(0.5, abs=1e-4)
    assert scores.coarse_rms == pytest.approx(math.sqrt((0.5**2 + 0.1**2) / 3), abs=1e-4)


def test_what_is_not_defined_is_nan_and_null_in_json():
    flat = np.full((4, 4), 300, np.float32)
    scores = Scores.of(flat + 1, flat)
    assert scores.rmse == 1
    for name in ("cc", "rsd", "ssim", "texture", "coarse_max"):
        assert math.isnan(getattr(scores, name))
        assert scores.to_json()[name] is None
    nothing = Scores.of(np.full_like(flat, np.nan), flat)
    assert nothing.pixels == 0
    assert math.isnan(nothing.rmse)


def test_a_split_scores_the_plain_mean_and_pools_over_pixels():
    small, large = Scores.of(*fields(1, (10, 10))), Scores.of(*fields(2, (40, 40)))
    summary = MeanScores.of([small, large])
    assert summary.images == 2
    assert summary.pixels == 1700
    for name in SCORE_NAMES[:-2]:
        pair = [getattr(small, name), getattr(large, name)]
        assert summary.mean[name] == pytest.approx(np.mean(pair))
        assert summary.median[name] == pytest.approx(np.median(pair))
        assert summary.spread[name] == pytest.approx(np.std(pair, ddof=1))
    pooled = math.sqrt((100 * small.rmse**2 + 1600 * large.rmse**2) / 1700)
    assert summary.rmse_pooled == pytest.approx(pooled)
    assert summary.rmse_pooled != pytest.approx(summary.mean["rmse"])


def test_an_image_without_a_score_does_not_count_for_it():
    flat = np.full((4, 4), 300, np.float32)
    good, odd = Scores.of(*fields()), Scores.of(flat + 1, flat)
    summary = MeanScores.of([good, odd])
    assert summary.mean["cc"] == pytest.approx(good.cc)
    assert summary.mean["rmse"] == pytest.approx((good.rmse + 1) / 2)
    assert math.isnan(summary.spread["cc"])
