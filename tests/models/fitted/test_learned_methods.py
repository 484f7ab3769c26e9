"""Laws of the learned half of the fitted shelf: networks, trees, and the default."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from groklst_cli.geo.conserve import block_means, smooth_field
from groklst_models.contract import FittedMethod, Tiles
from groklst_models.errors import FitError
from groklst_models.fitted.best import Best
from groklst_models.fitted.bicubic import Bicubic
from groklst_models.fitted.catboost import CatBoost
from groklst_models.fitted.dms import DMS
from groklst_models.fitted.extra_trees import ExtraTrees
from groklst_models.fitted.gradient_boosting import GradientBoosting
from groklst_models.fitted.lightgbm import LightGBM
from groklst_models.fitted.random_forest import RandomForest
from groklst_models.fitted.scene_net import SceneNet
from groklst_models.fitted.xgboost import XGBoost
from groklst_models.regression.detail_ridge import Detail
from groklst_models.regression.linear_trees import Growth, LinearTrees
from groklst_models.sampling.bounded_samples import bounded_samples
from groklst_models.sampling.features import Features
from groklst_models.sampling.folds import FOUR
from groklst_models.sampling.moving_windows import STEP, windows_over
from groklst_models.sampling.sensor import Sensor
from groklst_models.sampling.standardization import Standardization
from groklst_models.sampling.training_set import detail, read_training_set
from tests.models.toy_scene import ToyScene

BANDS = ("red", "nir", "swir1")
WITH_PACKAGES = [CatBoost, LightGBM, XGBoost]


def form(method: type[Any], *arguments: Any) -> Any:
    """A test's parameters, of which the first is a method that may need a package."""
    marks = [pytest.mark.method(method.__name__.lower())] if method in WITH_PACKAGES else []
    return pytest.param(method, *arguments, marks=marks)


FORMS = [
    (Best, {}),
    *(form(method, {"trees": 10}) for method in WITH_PACKAGES),
    (DMS, {}),
    (DMS, {"local_trees": 0}),
    (ExtraTrees, {"trees": 10}),
    (GradientBoosting, {"trees": 10}),
    (RandomForest, {"trees": 10}),
    (SceneNet, {"steps": 20, "networks": 2}),
]
LEARNED = [
    DMS,
    ExtraTrees,
    GradientBoosting,
    RandomForest,
    SceneNet,
    *(form(method) for method in WITH_PACKAGES),
]


def make(bands: tuple[str, ...] = BANDS, **shape: Any) -> ToyScene:
    return ToyScene.make(bands, **shape)


def fitted(method: type[Any], scene: ToyScene, **arguments: Any) -> Any:
    built: FittedMethod = method(scale=scene.scale, **arguments)
    built.fit(scene)
    return built


def predict(
    method: FittedMethod, scene: ToyScene, rows: slice | None = None, columns: slice | None = None
) -> np.ndarray:
    rows, columns = rows or slice(0, scene.shape[0]), columns or slice(0, scene.shape[1])
    part = scene.window(rows, columns)
    lst = torch.from_numpy(np.nan_to_num(part.lst, nan=300.0))[None, None]
    tiles = Tiles(lst, torch.from_numpy(part.guide)[None], (rows.start,), (columns.start,))
    return method.predict(tiles)[0, 0].numpy()


def conserved(fine: np.ndarray, scene: ToyScene) -> np.ndarray:
    missing = scene.lst - block_means(fine, scene.scale)
    return fine + smooth_field(missing, scene.scale)


def blurred_truth(scene: ToyScene, sigma: float) -> np.ndarray:
    """Temperatures that follow two guides in a curved way, as a blurring instrument sees them."""
    first, second = torch.from_numpy(scene.guide[:2])
    sharp = 300 + 15 * (first - second) + 60 * (first - 0.3) * (second - 0.3)
    return Sensor(scene.scale, sigma).blur(sharp[None, None])[0, 0].numpy()


def rmse(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.sqrt(np.mean((first - second) ** 2)))


def training_of(scene: ToyScene, sensor: Sensor | None = None) -> Any:
    standard = Standardization.of(scene, Features(scene.bands, scene.scale))
    return read_training_set(scene, standard, sensor or Sensor(scene.scale))


@pytest.mark.parametrize(("method", "arguments"), FORMS)
class TestEveryMethod:
    def test_tiles_with_their_halo_equal_the_whole(self, method, arguments):
        scene = make(shape=(44, 40))
        fit = fitted(method, scene, **arguments)
        whole, s, halo = predict(fit, scene), scene.scale, fit.halo
        for top, left in ((0, 0), (15, 7), (34, 30)):
            rows = slice(max(0, top - halo), min(44, top + 10 + halo))
            columns = slice(max(0, left - halo), min(40, left + 10 + halo))
            tile = predict(fit, scene, rows, columns)
            down, across = (top - rows.start) * s, (left - columns.start) * s
            core = tile[down : down + 10 * s, across : across + 10 * s]
            expected = whole[top * s : (top + 10) * s, left * s : (left + 10) * s]
            np.testing.assert_allclose(core, expected, atol=1e-3, rtol=0)

    def test_a_batch_equals_its_samples(self, method, arguments):
        scene = make()
        fit, s = fitted(method, scene, **arguments), scene.scale
        lst, guide = torch.from_numpy(scene.lst), torch.from_numpy(scene.guide)
        places = [(0, 0), (12, 9)]
        both = Tiles(
            torch.stack([lst[r : r + 12, c : c + 12] for r, c in places])[:, None],
            torch.stack([guide[:, r * s : (r + 12) * s, c * s : (c + 12) * s] for r, c in places]),
            (0, 12),
            (0, 9),
        )
        for (r, c), fine in zip(places, fit.predict(both), strict=True):
            alone = predict(fit, scene, slice(r, r + 12), slice(c, c + 12))
            np.testing.assert_allclose(fine[0].numpy(), alone, atol=1e-3, rtol=0)

    def test_the_result_repeats_and_leaves_the_global_chance_alone(self, method, arguments):
        scene = make()
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002 - the global state is what is tested
        first = predict(fitted(method, scene, **arguments), scene)
        drawn = torch.rand(1), np.random.rand()  # noqa: NPY002
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        assert drawn == (torch.rand(1), np.random.rand())  # noqa: NPY002
        second = predict(fitted(method, scene, **arguments), scene)
        np.testing.assert_array_equal(first, second)

    def test_a_constant_lst_stays(self, method, arguments):
        scene = make()
        scene = replace(scene, lst=np.full_like(scene.lst, 301.25))
        fine = predict(fitted(method, scene, **arguments), scene)
        np.testing.assert_allclose(fine, 301.25, atol=1e-2, rtol=0)

    def test_a_constant_band_adds_nothing(self, method, arguments):
        scene = make(("red",))
        scene = replace(scene, guide=np.full_like(scene.guide, 0.3))
        fine = predict(fitted(method, scene, **arguments), scene)
        assert np.abs(fine - scene.lst.mean()).max() <= np.ptp(scene.lst)

    @pytest.mark.parametrize("shape", [(3, 3), (1, 5), (1, 1), (13, 2)])
    def test_few_coarse_pixels_are_enough(self, method, arguments, shape):
        scene = make(shape=shape)
        fine = predict(fitted(method, scene, **arguments), scene)
        assert fine.shape == (shape[0] * 4, shape[1] * 4)
        assert np.abs(fine - 300).max() < 50

    def test_gaps_leave_no_gaps(self, method, arguments):
        scene = make()
        guide, lst = scene.guide.copy(), scene.lst.copy()
        guide[0, :30, :17] = np.nan
        guide[:, 50:63, 60:81] = np.nan
        lst[5:14, 3:20] = np.nan
        scene = replace(scene, guide=guide, lst=lst)
        fine = predict(fitted(method, scene, **arguments), scene)
        assert np.abs(fine - 300).max() < 50

    def test_guides_far_beyond_what_was_seen_stay_near_the_lst(self, method, arguments):
        scene = make()
        fit = fitted(method, scene, **arguments)
        guide = scene.guide.copy()
        guide[:, :40, :40] = 50.0
        fine = predict(fit, replace(scene, guide=guide))
        low, high, spread = scene.lst.min(), scene.lst.max(), np.ptp(scene.lst)
        assert fine.min() > low - 3 * spread
        assert fine.max() < high + 3 * spread


@pytest.mark.parametrize("method", LEARNED)
class TestLearnedMethods:
    def test_without_guidance_it_says_what_to_add(self, method):
        scene = make()
        bare = ToyScene(scene.lst, scene.guide[:0], (), scene.scale)
        with pytest.raises(FitError, match="--guide"):
            method(scale=4).fit(bare)

    def test_guides_that_never_meet_the_lst_are_refused(self, method):
        scene = make()
        blind = replace(scene, guide=np.full_like(scene.guide, np.nan))
        with pytest.raises(FitError, match="check that the guides cover"):
            method(scale=4).fit(blind)

    def test_a_number_out_of_range_is_refused(self, method):
        wrong = {"networks": 0} if method is SceneNet else {"trees": 0}
        with pytest.raises(ValueError, match="at least 1"):
            method(scale=4, **wrong)


@pytest.mark.parametrize(
    ("method", "arguments", "share"),
    [
        (Best, {}, 0.25),
        (SceneNet, {"steps": 80, "networks": 2}, 0.25),
        (DMS, {}, 0.7),
        (RandomForest, {}, 0.7),
        (ExtraTrees, {}, 0.7),
        (GradientBoosting, {}, 0.7),
        *(form(method, {}, 0.7) for method in WITH_PACKAGES),
    ],
)
def test_a_relation_is_found_through_the_sensor(method, arguments, share):
    scene = replace(make(shape=(40, 40)), psf=1.0)
    truth = blurred_truth(scene, 1.0)
    scene = replace(scene, lst=block_means(truth, scene.scale).astype(np.float32))
    bicubic = rmse(predict(fitted(Bicubic, scene), scene), truth)
    fine = conserved(predict(fitted(method, scene, **arguments), scene), scene)
    assert rmse(fine, truth) < share * bicubic


class TestBest:
    def worse_than_bicubic(self, scene: ToyScene, truth: np.ndarray) -> tuple[float, Best]:
        best = fitted(Best, scene)
        fine = conserved(predict(best, scene), scene)
        return rmse(fine, truth) / rmse(predict(fitted(Bicubic, scene), scene), truth), best

    def smooth(self, shape: tuple[int, int] = (40, 40)) -> tuple[ToyScene, np.ndarray]:
        scene = make(shape=shape)
        rows, columns = (np.arange(size * scene.scale) / scene.scale for size in shape)
        truth = 300 + 3 * np.sin(rows[:, None] / 2) * np.cos(columns / 3)
        truth = truth.astype(np.float32)
        lst = block_means(truth, scene.scale).astype(np.float32)
        return replace(scene, lst=lst), truth

    @pytest.mark.parametrize("seed", range(3))
    def test_guides_that_explain_nothing_are_left_aside(self, seed):
        scene, truth = self.smooth()
        noise = np.random.default_rng(seed).normal(size=scene.guide.shape).astype(np.float32)
        ratio, best = self.worse_than_bicubic(replace(scene, guide=noise), truth)
        assert ratio < 1.02
        assert "interpolation alone" in best.summary

    def test_one_meaningless_band_does_no_harm(self):
        scene, truth = self.smooth()
        noise = np.random.default_rng(3).normal(size=scene.guide[:1].shape).astype(np.float32)
        ratio, _ = self.worse_than_bicubic(replace(scene, guide=noise, bands=("dem",)), truth)
        assert ratio < 1.02

    @pytest.mark.parametrize("side", [2, 4, 6, 9])
    def test_few_coarse_pixels_do_no_harm(self, side):
        scene, truth = self.smooth((side, side))
        ratio, _ = self.worse_than_bicubic(scene, truth)
        assert ratio < 1.02

    def test_half_a_scene_of_water_is_no_obstacle(self):
        scene = replace(make(shape=(40, 40)), psf=1.0)
        land = np.arange(160) < 77
        guide = np.where(land, scene.guide, 0.02).astype(np.float32)
        scene = replace(scene, guide=guide)
        truth = blurred_truth(scene, 1.0)
        scene = replace(scene, lst=block_means(truth, 4).astype(np.float32))
        ratio, _ = self.worse_than_bicubic(scene, truth)
        assert ratio < 0.5

    def test_clouds_in_guides_are_no_training_where_the_lst_is_masked(self):
        scene = replace(make(shape=(40, 40)), psf=1.0)
        truth = blurred_truth(scene, 1.0)
        lst = block_means(truth, 4).astype(np.float32)
        guide = scene.guide.copy()
        guide[:, :48, :48] = 3.0
        lst[:12, :12] = np.nan
        cloudy = replace(scene, lst=lst, guide=guide)
        fine = conserved(predict(fitted(Best, cloudy), cloudy), cloudy)
        bicubic = predict(fitted(Bicubic, scene), replace(scene, lst=np.nan_to_num(lst, nan=300)))
        clear = np.s_[56:, 56:]
        assert rmse(fine[clear], truth[clear]) < 0.5 * rmse(bicubic[clear], truth[clear])

    def test_it_says_what_it_chose(self):
        best = fitted(Best, make(shape=(40, 40)))
        assert f"{best.straight:.2f} linear" in best.summary
        assert f"{best.gain:.0%} below that of interpolation" in best.summary
        assert 0 < best.gain <= 1
        assert 0 <= best.straight <= 1

    def test_without_guidance_or_without_overlap_it_interpolates(self):
        scene = make()
        expected = predict(fitted(Bicubic, scene), scene)
        bare = ToyScene(scene.lst, scene.guide[:0], (), scene.scale)
        blind = replace(scene, guide=np.full_like(scene.guide, np.nan))
        for poor in (bare, blind):
            best = fitted(Best, poor)
            np.testing.assert_array_equal(predict(best, poor), expected)
            assert "interpolation alone" in best.summary

    def test_the_stated_point_spread_is_kept(self):
        assert fitted(Best, replace(make(shape=(40, 40)), psf=0.3)).point_spread == 0.3


class TestTrainingSet:
    def test_its_size_is_bounded_and_it_repeats(self):
        scene = make(("red",), shape=(250, 260), scale=2)
        first, second = training_of(scene), training_of(scene)
        assert len(first.windows) == 64
        assert all(
            torch.equal(a.lst, b.lst) for a, b in zip(first.windows, second.windows, strict=True)
        )

    def test_windows_are_looked_for_where_there_is_lst(self):
        scene = make(("red",), shape=(250, 260), scale=2)
        lst = np.full_like(scene.lst, np.nan)
        lst[100:120, 60:80] = 300.0
        assert training_of(replace(scene, lst=lst)).count == 400

    def test_every_pixel_is_in_one_fold_and_all_folds_are_used(self):
        training = training_of(make())
        folds = torch.cat([window.fold.flatten() for window in training.windows])
        assert sorted(set(folds.tolist())) == list(range(FOUR.count))

    def test_detail_of_a_constant_is_what_the_discount_leaves(self):
        usable = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0)) > 0.3
        left = detail(torch.ones(1, 1, 20, 20), usable)
        torch.testing.assert_close(left, 0.2 * usable.float())


class TestRidge:
    def test_coefficients_are_found_and_a_fold_can_be_left_out(self):
        scene = make()
        training = training_of(scene)
        planes = Detail.of(training)
        true = torch.linspace(-2, 2, planes.planes.shape[1], dtype=torch.float64)
        exact = replace(planes, lst=planes.planes @ true)
        for fold in (None, 0, 3):
            found = exact.solve(1e-12, fold)
            torch.testing.assert_close(exact.planes @ found, exact.lst, atol=1e-4, rtol=1e-4)

    def test_what_is_left_out_has_no_say(self):
        planes = Detail.of(training_of(make()))
        spoilt = replace(planes, lst=torch.where(planes.fold == 1, 1e3, planes.lst))
        assert torch.equal(planes.solve(1e-2, 1), spoilt.solve(1e-2, 1))


class TestTrees:
    def test_samples_do_not_depend_on_how_the_scene_is_read(self):
        class Otherwise(ToyScene):
            def blocks(self, margin=0):
                yield self.window(slice(0, self.shape[0]), slice(0, self.shape[1]))

        scene = make()
        other = Otherwise(scene.lst, scene.guide, scene.bands, scene.scale)
        features = Features(scene.bands, scene.scale)
        first, second = (bounded_samples(s, features, Sensor(4), 100) for s in (scene, other))
        assert len(first.lst) == 100
        np.testing.assert_array_equal(first.rank, second.rank)
        np.testing.assert_array_equal(first.lst, second.lst)

    def test_linear_leaves_reproduce_a_plane_and_stay_in_range(self):
        chance = np.random.default_rng(0)
        features = chance.uniform(0, 1, (800, 2)).astype(np.float32)
        lst = (300 + features @ [4.0, -2.0]).astype(np.float32)
        growth = Growth(trees=3, leaves=8, samples=30, shrinkage=1e-6)
        trees = LinearTrees(features, lst, np.ones(800, np.float32), growth, seed=0)
        np.testing.assert_allclose(trees.answer(features), lst, atol=0.01)
        far = trees.answer(np.array([[90.0, -90.0], [-90.0, 90.0]], np.float32))
        assert far.max() <= lst.max() + 0.25 * np.ptp(lst) + 1e-3
        assert far.min() >= lst.min() - 0.25 * np.ptp(lst) - 1e-3

    def test_the_tents_of_windows_sum_to_one_wherever_a_tile_begins(self):
        for row, column in ((0, 0), (3, 21), (40, 8)):
            total = torch.zeros(30 * 4, 26 * 4)
            for window in windows_over((30, 26), row, column):
                part, tent = window.reach((30, 26), 4)
                total[part] += tent
                assert window.centre[0] + row == (window.centre[0] + row) // STEP * STEP + STEP // 2
            torch.testing.assert_close(total, torch.ones_like(total))
