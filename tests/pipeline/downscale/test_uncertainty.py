"""A standard deviation for each pixel: where it is, what it holds, what moves it."""

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from scipy.ndimage import gaussian_filter

from groklst_cli.errors import OutputExistsError, UsageError
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.answer_spread import TURNS
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import read

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
SCALE, SIDE = 4, 40


@pytest.fixture
def scene(write_raster):
    """Return paths of an LST and a guide that explains most of it, and the truth."""
    rng = np.random.default_rng(2)
    guide, rest = (gaussian_filter(rng.normal(size=(SIDE * SCALE,) * 2), s) for s in (1.5, 1.5))
    truth = 300 + 30 * guide + 20 * rest
    lst = truth.reshape(SIDE, SCALE, SIDE, SCALE).mean((1, 3)).astype(np.float32)
    lst[5:9, 7] = np.nan
    fine = COARSE * Affine.scale(1 / SCALE)
    return (
        BandSource(write_raster("lst.tif", lst, COARSE)),
        BandSource(write_raster("guide.tif", guide.astype(np.float32), fine)),
        truth,
    )


@pytest.mark.parametrize("model", ["ridge", "bicubic"])
@pytest.mark.parametrize("conserve", ["kelvin", "none"])
def test_it_lies_on_the_results_grid_and_holds_most_of_the_truth(tmp_path, scene, model, conserve):
    lst, guide, truth = scene
    fine, sigma = tmp_path / "fine.tif", tmp_path / "sigma.tif"
    downscale(
        Request(lst, fine, [guide], scale=SCALE, model=model, conserve=conserve, uncertainty=sigma)
    )
    with rasterio.open(fine) as a, rasterio.open(sigma) as b:
        assert (a.crs, a.transform, a.shape) == (b.crs, b.transform, b.shape)
        assert b.tags()["GROKLST_QUANTITY"].startswith("standard deviation")
    made, spread = read(fine), read(sigma)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(spread))
    known = ~np.isnan(made)
    assert (spread[known] > 0).all()
    inside = np.abs(made - truth)[known] < spread[known]
    assert 0.25 < inside.mean() < 0.95  # noise has more detail below than landscapes have


def test_a_part_has_the_deviations_of_its_own_place(tmp_path, scene):
    lst, guide, _ = scene
    bounds = (500000, 4385200, 504800, 4390000)
    request = Request(
        lst,
        tmp_path / "f.tif",
        [guide],
        scale=SCALE,
        model="ridge",
        bounds=bounds,
        uncertainty=tmp_path / "u.tif",
    )
    downscale(request)
    assert read(tmp_path / "u.tif").shape == (80, 80)


def test_it_is_larger_along_an_edge_than_on_either_side(tmp_path, write_raster):
    rng = np.random.default_rng(5)
    truth = np.full((SIDE * SCALE, SIDE * SCALE), 300.0)
    truth[:, SIDE * SCALE // 2 + 1 :] += 8  # a coast, within a coarse pixel
    guide = truth - 300 + gaussian_filter(rng.normal(size=truth.shape), 2)
    lst = block_means(truth + 2 * gaussian_filter(rng.normal(size=truth.shape), 3), SCALE)
    sources = (
        BandSource(write_raster("lst.tif", lst.astype(np.float32), COARSE)),
        BandSource(
            write_raster("g.tif", guide.astype(np.float32), COARSE * Affine.scale(1 / SCALE))
        ),
    )
    sigma = tmp_path / "sigma.tif"
    downscale(
        Request(
            sources[0], tmp_path / "f.tif", [sources[1]], scale=SCALE, model="ridge",
            uncertainty=sigma,
        )
    )  # fmt: skip
    across = np.median(read(sigma), axis=0)
    coast = SIDE * SCALE // 2
    assert across[coast : coast + 2].min() > 1.5 * np.median(across)
    assert across[coast : coast + 2].min() > 1.4 * across[[coast - 12, coast + 13]].max()


def test_the_second_file_is_guarded_like_the_first(tmp_path, scene):
    lst, guide, _ = scene
    (tmp_path / "u.tif").write_text("precious")
    request = Request(lst, tmp_path / "f.tif", [guide], scale=SCALE, uncertainty=tmp_path / "u.tif")
    with pytest.raises(OutputExistsError, match=r"u\.tif"):
        downscale(request)
    assert not (tmp_path / "f.tif").exists()
    twice = Request(lst, tmp_path / "g.tif", [guide], scale=SCALE, uncertainty=tmp_path / "g.tif")
    with pytest.raises(UsageError, match="two outputs"):
        downscale(twice)


def test_a_network_with_a_measured_factor_answers_from_flips_and_turns(tmp_path, scene):
    lst, guide, _ = scene
    statistics = Normalization(300, 5, (BandStatistics("guide", 0, 0.2),))
    tiny = {"width": 8, "stages": 1, "blocks": 1}
    made = {}
    for factor in (1.0, 2.0):
        header = Header("mocolsk", SCALE, statistics, tiny, tile=64, scores={TURNS.score: factor})
        torch.manual_seed(0)
        weights = tmp_path / "w.safetensors"
        save(Checkpoint(header, header.build_network().state_dict()), weights)
        sigma = tmp_path / f"u{factor}.tif"
        downscale(
            Request(
                lst,
                tmp_path / "f.tif",
                [guide],
                scale=SCALE,
                model=str(weights),
                uncertainty=sigma,
                overlap=16,
                overwrite=True,
            )
        )
        with rasterio.open(sigma) as raster:
            assert raster.tags()["GROKLST_FROM"] == "flips and turns"
        made[factor] = read(sigma)
    known = ~np.isnan(made[1.0])
    np.testing.assert_array_equal(known, ~np.isnan(read(tmp_path / "f.tif")))
    np.testing.assert_allclose(made[2.0][known], 2 * made[1.0][known], rtol=0.05, atol=0.02)
