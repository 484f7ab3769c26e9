"""A spread beyond a fine product's is fitted through, and is not laid over the answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from groklst_models.contract import Tiles
from groklst_models.guidance import coarse_means
from groklst_models.registry import build
from groklst_models.sampling import sensor as sensor_module
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import (
    CANDIDATES,
    SHARPEST,
    USUAL,
    WIDEST,
    Sensor,
    _likeliest,
    estimate_sensor,
    guides_surely,
    left_out_squares,
    surely,
)
from groklst_models.sampling.sensor_windows import sample_blocks
from tests.models.toy_scene import ToyScene

SCALE, BANDS = 4, ("red", "nir")
FEATURES = Features(BANDS, SCALE)
QUICK = ("ridge", "quadratic", "local", "random-forest", "atprk")


def scene_seen_through(sigma: float, noise: float = 0.0) -> ToyScene:
    """Make a scene whose coarse pixels a sensor of some spread has seen."""
    scene = ToyScene.make(BANDS, (48, 48), SCALE)
    guide = torch.from_numpy(scene.guide)
    fine = 300 - 20 * (guide[1] - 0.3) + 8 * (guide[0] - 0.3)
    seen = coarse_means(Sensor(SCALE, sigma).blur(fine[None, None]), SCALE)[0, 0].numpy()
    rng = np.random.default_rng(3)
    lst = seen + noise * rng.normal(size=seen.shape)
    return replace(scene, lst=lst.astype(np.float32))


@pytest.mark.parametrize("sigma", [0.0, 0.7])
def test_a_spread_that_a_product_may_have_is_all_the_products(sigma):
    sensor = estimate_sensor(scene_seen_through(sigma), FEATURES)
    assert sensor.sigma == pytest.approx(sigma, abs=0.3)
    assert sensor.product is sensor


def test_a_wider_one_is_found_and_the_product_keeps_a_part_of_it():
    sensor = estimate_sensor(scene_seen_through(1.9), FEATURES)
    assert sensor.sigma == pytest.approx(1.9, abs=0.2)
    assert sensor.product == Sensor(SCALE, SHARPEST)


@pytest.mark.parametrize("noise", [2.0, 2.5])
def test_a_wider_one_that_nothing_vouches_for_is_not_believed(noise):
    sensor = estimate_sensor(scene_seen_through(1.9, noise=noise), FEATURES)
    assert sensor.sigma <= WIDEST * SCALE


def test_where_guides_explain_next_to_nothing_the_usual_one_counts():
    assert estimate_sensor(scene_seen_through(1.9, noise=8.0), FEATURES) == Sensor(SCALE, USUAL)


def test_few_pixels_leave_the_usual_one():
    whole = scene_seen_through(1.9)
    few = replace(whole, lst=whole.lst[:9, :9], guide=whole.guide[:, : 9 * SCALE, : 9 * SCALE])
    assert estimate_sensor(few, FEATURES) == Sensor(SCALE, USUAL)


@pytest.mark.parametrize("pixels", [100, 400])
def test_the_fewer_pixels_the_nearer_the_usual_one(pixels):
    errors = [1.0 + 0.05 * sigma for sigma in CANDIDATES]
    fewer, more = _likeliest(errors, pixels), _likeliest(errors, 100 * pixels)
    assert more < fewer <= USUAL


def test_a_stated_spread_is_the_products_whole():
    assert estimate_sensor(replace(scene_seen_through(0.0), psf=2.0), FEATURES).product.sigma == 2.0


@pytest.mark.parametrize("name", QUICK)
def test_answers_are_blurred_by_the_products_spread_alone(name):
    scene = scene_seen_through(1.9)
    method = build(name, scale=SCALE)
    method.fit(scene)
    assert method.point_spread > method.product_spread == SHARPEST
    tiles = Tiles(
        torch.from_numpy(scene.lst)[None, None], torch.from_numpy(scene.guide)[None], (0,), (0,)
    )
    answer = method.predict(tiles)
    method.sensor = method.sensor.product
    torch.testing.assert_close(method.predict(tiles), answer, rtol=0, atol=0)


def test_squares_add_up_to_the_errors_of_detail_left_out():
    scene = scene_seen_through(0.7, noise=0.3)
    sensors = [Sensor(SCALE, sigma) for sigma in (0.0, 0.7)]
    none, right, detail = left_out_squares(sample_blocks(scene), FEATURES, sensors)
    assert len(none) == (48 // SCALE) ** 2
    assert float(right.sum()) < float(none.sum()) < float(detail.sum())


def test_guides_that_explain_are_told_from_guides_that_do_not():
    scene = scene_seen_through(0.7, noise=0.3)
    sensor = Sensor(SCALE, 0.7)
    assert guides_surely(scene, FEATURES, sensor)
    chance = np.random.default_rng(4).uniform(size=scene.guide.shape).astype(np.float32)
    assert not guides_surely(replace(scene, guide=chance), FEATURES, sensor)
    nothing = replace(scene, lst=np.full_like(scene.lst, np.nan))
    assert not guides_surely(nothing, FEATURES, sensor)
    flat = replace(scene, lst=np.full_like(scene.lst, 300))
    assert not guides_surely(flat, FEATURES, sensor)


def test_a_gain_is_sure_beyond_three_standard_errors():
    gains = torch.tensor([0.0, 2.0]).repeat(50)
    assert surely(gains)  # ten standard errors
    assert not surely(gains - 0.75)  # two and a half
    assert not surely(torch.ones(1))


def test_one_estimate_serves_all_who_ask_of_the_same_windows(monkeypatch):
    asked = []
    estimated = sensor_module._estimated
    monkeypatch.setattr(sensor_module, "_FOUND", {})
    monkeypatch.setattr(
        sensor_module, "_estimated", lambda *given: asked.append(given) or estimated(*given)
    )
    scene = scene_seen_through(0.7)
    found = [estimate_sensor(one, FEATURES) for one in (scene, scene_seen_through(0.7), scene)]
    assert len(asked) == 1
    assert found[0] == found[1] == found[2]
    estimate_sensor(replace(scene, lst=scene.lst + np.float32(1)), FEATURES)
    estimate_sensor(scene, Features(("nir", "red"), SCALE))
    assert len(asked) == 3
