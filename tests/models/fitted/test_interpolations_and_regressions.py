"""Laws of the classical half of the fitted shelf."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from groklst_models.contract import FittedMethod, Tiles
from groklst_models.errors import FitError
from groklst_models.fitted.atpk import ATPK
from groklst_models.fitted.atprk import ATPRK
from groklst_models.fitted.bicubic import Bicubic
from groklst_models.fitted.bilinear import Bilinear
from groklst_models.fitted.guided_filter import GuidedFilter
from groklst_models.fitted.local import Local
from groklst_models.fitted.nearest import Nearest
from groklst_models.fitted.quadratic import Quadratic
from groklst_models.fitted.tsharp import TsHARP
from groklst_models.guidance import coarse_means
from groklst_models.regression.kriging import Kriging
from groklst_models.sampling.aggregation import sensor_means
from groklst_models.sampling.sensor import Sensor
from tests.models.toy_scene import ToyScene

BANDS = ("red", "nir", "swir1")
INTERPOLATING = [Nearest, Bilinear, Bicubic, ATPK]
REGRESSING = [Quadratic, Local, TsHARP, ATPRK]
SHELF = [*INTERPOLATING, *REGRESSING, GuidedFilter]
FORMS = [(method, {}) for method in SHELF] + [
    (TsHARP, {"form": "linear"}),
    (TsHARP, {"form": "polynomial"}),
    (Local, {"degree": 1}),
]


def make(bands: tuple[str, ...] = BANDS, **shape: Any) -> ToyScene:
    return ToyScene.make(bands, **shape)


def fitted(method: type[Any], scene: ToyScene, **arguments: Any) -> FittedMethod:
    built: FittedMethod = method(scale=scene.scale, **arguments)
    built.fit(scene)
    return built


def predict(
    method: FittedMethod, scene: ToyScene, rows: slice | None = None, columns: slice | None = None
) -> np.ndarray:
    rows, columns = rows or slice(0, scene.shape[0]), columns or slice(0, scene.shape[1])
    part = scene.window(rows, columns)
    lst = torch.from_numpy(np.nan_to_num(part.lst, nan=300.0))[None, None]
    guide = torch.from_numpy(part.guide)[None] if method.uses_guide else None
    return method.predict(Tiles(lst, guide, (rows.start,), (columns.start,)))[0, 0].numpy()


def means(fine: np.ndarray, scale: int) -> np.ndarray:
    height, width = (size // scale for size in fine.shape)
    return fine.reshape(height, scale, width, scale).mean((1, 3), dtype=np.float64)


def bands_for(method: type[Any]) -> tuple[str, ...]:
    return ("ndvi",) if method is TsHARP else ("red",)


@pytest.mark.parametrize(("method", "arguments"), FORMS)
class TestEveryMethod:
    def test_tiles_with_their_halo_equal_the_whole(self, method, arguments):
        scene = make()
        fit = fitted(method, scene, **arguments)
        whole, s, halo = predict(fit, scene), scene.scale, fit.halo
        for top, left in ((0, 0), (11, 7), (20, 16)):
            rows = slice(max(0, top - halo), min(30, top + 10 + halo))
            columns = slice(max(0, left - halo), min(26, left + 10 + halo))
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

    def test_a_constant_lst_stays(self, method, arguments):
        scene = make()
        scene = replace(scene, lst=np.full_like(scene.lst, 301.25))
        fine = predict(fitted(method, scene, **arguments), scene)
        np.testing.assert_allclose(fine, 301.25, atol=1e-3, rtol=0)

    def test_it_stays_near_the_lst_with_one_band(self, method, arguments):
        scene = make(bands_for(method))
        fine = predict(fitted(method, scene, **arguments), scene)
        assert np.abs(means(fine, scene.scale) - scene.lst).max() < np.ptp(scene.lst)

    def test_a_constant_band_adds_nothing(self, method, arguments):
        scene = make(bands_for(method))
        scene = replace(scene, guide=np.full_like(scene.guide, 0.3))
        fine = predict(fitted(method, scene, **arguments), scene)
        assert np.isfinite(fine).all()
        if method in (Quadratic, TsHARP):
            assert np.ptp(fine) < 1e-3  # a function of the guide alone

    def test_a_pattern_that_every_coarse_pixel_averages_out_is_no_ground_for_slopes(
        self, method, arguments
    ):
        scene = make(bands_for(method))
        random, patch = np.random.default_rng(1), np.linspace(0.1, 0.5, 16)
        shuffled = [random.permutation(patch).reshape(4, 4) for _ in range(30 * 26)]
        guide = np.block([shuffled[26 * row : 26 * row + 26] for row in range(30)])
        scene = replace(scene, guide=guide[None].astype(np.float32), psf=0.0)
        fine = predict(fitted(method, scene, **arguments), scene)
        assert np.abs(fine - 300).max() < 20

    @pytest.mark.parametrize("shape", [(3, 3), (1, 5), (1, 1)])
    def test_few_coarse_pixels_are_enough(self, method, arguments, shape):
        scene = make(shape=shape)
        fine = predict(fitted(method, scene, **arguments), scene)
        assert fine.shape == (shape[0] * 4, shape[1] * 4)
        assert np.abs(fine - 300).max() < 50

    def test_gaps_in_the_guide_are_filled(self, method, arguments):
        scene = make()
        guide = scene.guide.copy()
        guide[0, :30, :17] = np.nan
        guide[:, 50:53, 60:81] = np.nan
        scene = replace(scene, guide=guide)
        fine = predict(fitted(method, scene, **arguments), scene)
        assert np.abs(fine - 300).max() < 50

    def test_gaps_in_the_lst_do_not_spread(self, method, arguments):
        scene = make()
        lst = scene.lst.copy()
        lst[5:14, 3:20] = np.nan
        holed = replace(scene, lst=lst)
        fine = predict(fitted(method, holed, **arguments), holed)
        assert np.abs(fine - 300).max() < 50

    def test_what_is_learned_does_not_depend_on_how_the_scene_is_read(self, method, arguments):
        class Otherwise(ToyScene):
            def blocks(self, margin=0):
                yield self.window(slice(0, self.shape[0]), slice(0, self.shape[1]))

        scene = make()
        whole = Otherwise(scene.lst, scene.guide, scene.bands, scene.scale)
        first, second = (fitted(method, view, **arguments) for view in (scene, whole))
        np.testing.assert_allclose(predict(first, scene), predict(second, scene), atol=2e-3, rtol=0)


@pytest.mark.parametrize("method", [*REGRESSING, GuidedFilter])
class TestGuidedMethods:
    def test_without_guidance_it_says_what_to_add(self, method):
        scene = make()
        bare = ToyScene(scene.lst, scene.guide[:0], (), scene.scale)
        with pytest.raises(FitError, match="--guide"):
            method(scale=4).fit(bare)

    def test_an_unknown_option_value_is_refused(self, method):
        wrong = {TsHARP: {"form": "cubic"}, GuidedFilter: {"radius": 0}}
        with pytest.raises(ValueError, match="expected"):
            method(scale=4, **wrong.get(method, {"shrinkage": -1.0}))


@pytest.mark.parametrize("method", REGRESSING)
def test_guides_that_never_meet_the_lst_are_refused(method):
    scene = make()
    blind = replace(scene, guide=np.full_like(scene.guide, np.nan))
    with pytest.raises(FitError, match="check that the guides cover"):
        method(scale=4).fit(blind)


class TestInterpolation:
    @pytest.mark.parametrize("method", [Bilinear, Bicubic])
    @pytest.mark.parametrize("scale", [2, 3, 8])
    def test_a_plane_is_reproduced_to_the_edge(self, method, scale):
        def plane(step: float) -> torch.Tensor:
            rows = (torch.arange(6 * round(1 / step)) + 0.5) * step
            columns = (torch.arange(5 * round(1 / step)) + 0.5) * step
            return 300 + 0.7 * rows[:, None] - 0.4 * columns[None, :]

        tiles = Tiles(plane(1.0)[None, None], None, (0,), (0,))
        fine = method(scale=scale).predict(tiles)[0, 0]
        torch.testing.assert_close(fine, plane(1 / scale), atol=2e-4, rtol=0)

    def test_the_nearest_pixel_is_repeated(self):
        lst = torch.tensor([[[[290.0, 300.0]]]])
        fine = Nearest(scale=2).predict(Tiles(lst, None, (0,), (0,)))
        assert fine.tolist() == [[[[290.0, 290.0, 300.0, 300.0]] * 2]]


class TestKriging:
    @pytest.mark.parametrize("method", [ATPK, ATPRK])
    @pytest.mark.parametrize("gaps", [False, True])
    def test_coarse_means_are_met(self, method, gaps):
        scene = make()
        lst = scene.lst.copy()
        if gaps:
            lst[4:12, 6:15] = np.nan
            lst[20, ::2] = np.nan
        scene = replace(scene, lst=lst)
        missed = means(predict(fitted(method, scene), scene), scene.scale) - lst
        assert np.nanmax(np.abs(missed)) < 0.01

    @pytest.mark.parametrize("length", [1.0, 2.8])
    def test_it_equals_ordinary_kriging_by_a_dense_system(self, length):
        scale, size = 2, 19
        fine = (np.arange(size * scale) + 0.5) / scale
        y, x = (axis.ravel() for axis in np.meshgrid(fine, fine, indexing="ij"))
        block = (y.astype(int) * size + x.astype(int))[:, None] == np.arange(size**2)
        mean = block / scale**2
        points = np.exp(-np.hypot(y[:, None] - y, x[:, None] - x) / length)
        system = np.ones((size**2 + 1, size**2 + 1))
        system[:-1, :-1], system[-1, -1] = mean.T @ points @ mean, 0
        coarse = np.random.default_rng(3).normal(size=(size, size))
        middle = np.flatnonzero((y.astype(int) == 9) & (x.astype(int) == 9))
        target = np.concatenate([points[middle] @ mean, np.ones((4, 1))], axis=1)
        expected = (target @ np.linalg.solve(system, np.append(coarse, 0)))[:4]
        found = Kriging(scale, length).predict(torch.from_numpy(coarse), slice(9, 10), slice(9, 10))
        np.testing.assert_allclose(found.numpy().ravel(), expected, atol=2e-3)

    def test_missing_pixels_change_nothing_when_they_are_as_predicted(self):
        coarse = np.random.default_rng(5).normal(size=(12, 14)).cumsum(0).cumsum(1)
        holed = coarse.copy()
        holed[3:6, 4:9] = np.nan
        kriging = Kriging(4, 2.0)
        filled = kriging.fill(holed)
        again = filled.copy()
        again[4, 5] = np.nan  # one of them alone is predicted from the others as it was
        np.testing.assert_allclose(kriging.fill(again), filled, atol=1e-3 * np.ptp(coarse))
        np.testing.assert_array_equal(filled[~np.isnan(holed)], coarse[~np.isnan(holed)])

    @pytest.mark.parametrize("length", [0.7, 2.0])
    def test_the_covariance_of_points_is_found_again(self, length):
        scale, size = 4, 64
        side = size * scale
        steps = np.minimum(np.arange(side), side - np.arange(side)) / scale
        covariance = np.exp(-np.hypot(steps[:, None], steps) / length)
        noise = np.random.default_rng(11).normal(size=(side, side))
        root = np.sqrt(np.fft.fft2(covariance).real.clip(0))
        field = np.fft.ifft2(np.fft.fft2(noise) * root).real
        found = Kriging.deconvolved(scale, means(field, scale)).length
        assert length / 1.5 < found < length * 1.5


class TestRegressions:
    def detailed(self, fine_lst: np.ndarray, scene: ToyScene) -> ToyScene:
        return replace(scene, lst=means(fine_lst, scene.scale).astype(np.float32))

    def test_a_quadratic_relation_is_found(self):
        scene = make(("dem", "albedo"))
        first, second = scene.guide - 0.28
        truth = 300 + 10 * first - 30 * first * second + 40 * second**2
        scene = self.detailed(truth, scene)
        fit = fitted(Quadratic, scene, shrinkage=0.0)
        assert np.sqrt(np.mean((predict(fit, scene) - truth) ** 2)) < 0.05 * truth.std()

    def test_a_broad_gradient_beside_the_guides_does_not_bend_the_slopes(self):
        scene = make(("albedo",))
        rows = np.linspace(-1, 1, scene.guide.shape[1])[:, None]
        guide = scene.guide + 0.2 * rows.astype(np.float32)
        truth = 300 - 10 * guide[0] + 9 * rows
        scene = self.detailed(truth, replace(scene, guide=guide))
        fit = fitted(ATPRK, scene)
        assert isinstance(fit, ATPRK)
        slope = float(fit.polynomial.slopes[0] / fit.polynomial.standard.std[0])
        assert slope == pytest.approx(-10, rel=0.1)

    def test_local_slopes_follow_a_relation_that_turns(self):
        scene = make(("albedo",), shape=(24, 40))
        turning = np.linspace(0, 30, scene.guide.shape[2])
        truth = 300 + turning * (scene.guide[0] - 0.28)
        scene = replace(self.detailed(truth, scene), psf=0.0)
        errors = {}
        for method in (Local, Quadratic):
            fine = predict(fitted(method, scene), scene)
            detail = (fine - truth) - means(fine - truth, 4).repeat(4, 0).repeat(4, 1)
            errors[method] = np.sqrt(np.mean(detail**2))
        assert errors[Local] < 0.2 * errors[Quadratic]

    @pytest.mark.parametrize("form", ["linear", "polynomial"])
    def test_a_function_of_ndvi_is_found_from_red_and_nir(self, form):
        scene = make(("red", "nir"))
        red, nir = scene.guide
        ndvi = (nir - red) / (nir + red)
        truth = 310 - 12 * ndvi
        scene = self.detailed(truth, scene)
        fit = fitted(TsHARP, scene, form=form)
        assert isinstance(fit, TsHARP)
        assert fit.slopes[0] == pytest.approx(-12, rel=0.05)
        assert fit.intercept == pytest.approx(310, abs=0.2)

    def test_tsharp_names_the_bands_that_make_ndvi(self):
        scene = make(("red", "swir1"))
        with pytest.raises(FitError, match=r"found red, swir1; add --guide ndvi=FILE, or .* nir="):
            TsHARP(scale=4).fit(scene)

    def test_the_guided_filter_brings_edges_of_the_guide_into_the_lst(self):
        scene = make(("albedo",))
        truth = 300 - 20 * scene.guide[0]
        scene = self.detailed(truth, scene)
        errors = [
            np.sqrt(np.mean((predict(fitted(method, scene), scene) - truth) ** 2))
            for method in (GuidedFilter, Bicubic)
        ]
        assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize(("scale", "sigma"), [(8, 1.2), (4, 4.0), (2, 4.0), (3, 0.0)])
@pytest.mark.parametrize("shape", [(5, 7), (1, 2)])
def test_sensor_means_are_the_means_of_the_blur(scale, sigma, shape):
    generator = torch.Generator().manual_seed(2)
    fine = torch.randn(2, 3, shape[0] * scale, shape[1] * scale, generator=generator)
    sensor = Sensor(scale, sigma)
    expected = coarse_means(sensor.blur(fine), scale)
    torch.testing.assert_close(sensor_means(fine, sensor), expected, atol=1e-5, rtol=0)
