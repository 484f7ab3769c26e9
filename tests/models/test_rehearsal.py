"""What a method shows on a twin of the scene decides how much of its detail is kept."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from groklst_models.contract import Tiles
from groklst_models.guidance import coarse_means
from groklst_models.registry import REGISTRY, build
from groklst_models.regression.held_back import HeldBack, held_back
from groklst_models.regression.rehearsal import FEWEST, Rehearsed, rehearse
from groklst_models.sampling.interpolation import upsample_cubic
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.twin import RATIO, SCALE, Twin
from tests.models.toy_scene import ToyScene

BANDS = ("red", "nir")
GUIDED = [
    name
    for name, entry in REGISTRY.items()
    if not entry.needs_weights and entry.package is None and entry.load().uses_guide
]
QUICK = ("ridge", "local", "tsharp", "best")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in GUIDED if name not in QUICK]


def guided(shape=(40, 40), scale=4, psf=0.75) -> ToyScene:
    """Make a scene that its guides explain, seen through a sensor."""
    scene = ToyScene.make(BANDS, shape, scale)
    guide = torch.from_numpy(scene.guide)
    fine = 300 - 20 * (guide[1] - 0.3) + 8 * (guide[0] - 0.3)
    lst = coarse_means(Sensor(scale, psf).blur(fine[None, None]), scale)[0, 0]
    return replace(scene, lst=lst.numpy())


def misled(seed: int, shape=(40, 40)) -> ToyScene:
    """Make a smooth scene whose guides are noise."""
    scene = ToyScene.make(BANDS, shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    lst = 300 + 3 * np.sin(rows / 2) * np.cos(columns / 3)
    noise = np.random.default_rng(seed).uniform(0.05, 0.5, scene.guide.shape)
    return replace(scene, lst=lst.astype(np.float32), guide=noise.astype(np.float32))


def tiles_of(scene: ToyScene) -> Tiles:
    lst = torch.from_numpy(np.nan_to_num(scene.lst, nan=300.0))[None, None]
    return Tiles(lst, torch.from_numpy(scene.guide)[None], (0,), (0,))


def kept(name: str, scene: ToyScene):
    """Fit a method and hold it back."""
    make = partial(made, name)
    method = make(scene.scale)
    method.fit(scene)
    return held_back(method, make, scene)


def made(name: str, scale: int):
    return build(name, scale=scale)


class TestTwin:
    @pytest.mark.parametrize("scale", [2, 3, 4, 5, 8])
    def test_its_guides_and_lst_are_means_of_the_scenes(self, scale):
        scene = ToyScene.make(BANDS, (10, 12), scale)
        twin = Twin.of(scene, psf=1.0)
        coarse = scene.lst.reshape(5, 2, 6, 2).mean((1, 3))
        np.testing.assert_allclose(twin.lst, coarse, atol=1e-3)
        np.testing.assert_array_equal(twin.truth, scene.lst)
        of_scene = coarse_means(torch.from_numpy(scene.guide)[None], scale)
        of_twin = coarse_means(torch.from_numpy(twin.guide)[None], SCALE // RATIO)
        torch.testing.assert_close(of_twin, of_scene)
        assert twin.psf == 2 / scale

    def test_a_pixel_that_lacks_a_part_is_unknown(self):
        scene = guided()
        scene.lst[3, 5] = np.nan
        assert np.argwhere(np.isnan(Twin.of(scene, None).lst)).tolist() == [[1, 2]]

    @pytest.mark.parametrize("shape", [(300, 200), (70, 900), (900, 70)])
    def test_of_a_large_scene_it_holds_some_windows(self, shape):
        scene = ToyScene.make(("red",), shape, 2)
        twin = Twin.of(scene, None)
        known = np.isfinite(twin.truth)
        assert known.sum() == 4 * 64 * 64
        assert set(np.unique(twin.truth[known])) <= set(np.unique(scene.lst))

    def test_a_single_row_has_none(self):
        assert Twin.of(ToyScene.make(("red",), (1, 30)), None) is None


class TestRehearsed:
    def of(self, detail, wanted) -> Rehearsed:
        count = len(wanted)
        return Rehearsed(detail, wanted, np.arange(count) // 16)

    def test_detail_that_is_right_is_kept_whole(self):
        rng = np.random.default_rng(0)
        detail = rng.normal(size=(640, 1))
        assert self.of(detail, detail[:, 0]).share() == 1
        assert self.of(detail, detail[:, 0]).gain() == 1

    def test_detail_that_is_thrice_too_strong_is_kept_in_part(self):
        rng = np.random.default_rng(1)
        wanted = rng.normal(size=640)
        found = self.of(3 * wanted[:, None] + rng.normal(size=(640, 1)), wanted)
        assert 0.2 < found.share() < 0.5
        assert found.gain(found.share()) > found.gain()

    @pytest.mark.parametrize("seed", range(5))
    def test_noise_is_not(self, seed):
        rng = np.random.default_rng(seed)
        assert self.of(rng.normal(size=(640, 1)), rng.normal(size=640)).share() < 0.1

    def test_few_pixels_bear_nothing_out(self):
        detail = np.ones((FEWEST - 1, 1))
        assert self.of(detail, detail[:, 0]).share() == 0

    def test_weights_sum_to_one_and_are_not_negative(self):
        rng = np.random.default_rng(2)
        good = rng.normal(size=1000)
        detail = np.stack([good, -good], axis=1)
        assert self.of(detail, good).weights((0.5, 0.5), 10.0) == pytest.approx((1, 0), abs=0.02)
        assert self.of(0 * detail, good).weights((0.3, 0.7), 10.0) == (0.3, 0.7)


class TestHeldBack:
    @pytest.mark.parametrize("name", QUICK)
    def test_a_method_that_is_right_is_left_as_it_is(self, name):
        scene = guided()
        method, words = kept(name, scene)
        assert type(method) is REGISTRY[name].load()
        assert method.share == 1
        assert "below that of interpolation" in words

    @pytest.mark.parametrize("name", [*QUICK, *SLOW])
    def test_guides_of_noise_do_no_harm(self, name):
        scene = misled(seed=1, shape=(24, 24))
        method, _ = kept(name, scene)
        plain = upsample_cubic(tiles_of(scene).lst, scene.scale)
        added = method.predict(tiles_of(scene)) - plain
        assert float(added.std()) < 0.05 * float(plain.std())

    @pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
    def test_a_share_lies_between_interpolation_and_the_method(self, share):
        scene = guided()
        method = build("ridge", scale=scene.scale)
        method.fit(scene)
        tiles = tiles_of(scene)
        plain, whole = upsample_cubic(tiles.lst, scene.scale), method.predict(tiles)
        expected = plain + share * (whole - plain)
        torch.testing.assert_close(HeldBack(method, share).predict(tiles), expected)

    def test_guides_are_looked_at_where_some_detail_is_kept(self):
        held = HeldBack(build("ridge", scale=4), 0.0)
        assert not held.uses_guide
        held.keep(build("local", scale=4), 0.5)
        assert held.uses_guide
        assert held.concurrent == build("local", scale=4).concurrent

    def test_what_interpolates_has_no_point_spread(self):
        method = build("ridge", scale=4)
        method.fit(guided())
        assert HeldBack(method, 0.0).point_spread is None
        assert HeldBack(method, 0.5).point_spread == method.point_spread

    @pytest.mark.parametrize("name", ["bicubic", "atpk", "best"])
    def test_what_takes_no_guides_or_holds_back_itself_is_left_alone(self, name):
        scene = misled(seed=2)
        method, words = kept(name, scene)
        assert type(method) is REGISTRY[name].load()
        assert words == method.summary

    def test_too_few_pixels_leave_interpolation(self):
        method, words = kept("ridge", guided(shape=(4, 4)))
        assert isinstance(method, HeldBack)
        assert method.share == 0
        assert "too few" in words


def test_a_rehearsal_repeats_whatever_the_number_of_threads():
    scene = guided()
    make = partial(made, "local")
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(rehearse(scene, [make], 0.75))
    torch.set_num_threads(1)
    np.testing.assert_array_equal(found[0].detail, found[1].detail)
