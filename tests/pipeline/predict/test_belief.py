"""Coarse values are exact unless the scene says otherwise; whoever computes gives one answer."""

from pathlib import Path

import numpy as np
import pytest
import rioxarray
import torch
from affine import Affine

import groklst_cli
from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import Normalization
from groklst_models.sampling.sensor import Sensor
from tests.conftest import read
from tests.models.toy_networks import TABLE

SCALE, SIDE = 4, 60
COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / SCALE)
NOISE = 0.6


def truth_and_guide() -> tuple[np.ndarray, np.ndarray]:
    """Return fields that a guide shows, over a broad gradient that it does not show."""
    rng = np.random.default_rng(5)
    guide = rng.uniform(0.1, 0.6, (SIDE, SIDE)).repeat(6, 0).repeat(6, 1)[: SIDE * 4, : SIDE * 4]
    broad = 2 * np.sin(np.linspace(0, 6, SIDE * 4))
    return 300 - 16 * (guide - 0.3) + broad[:, None] * broad, guide.astype(np.float32)


@pytest.fixture
def scene(write_raster, tmp_path):
    """Write the LST of a sensor with some spread and noise; ask for it with more options."""

    def ask(spread: float, strength: float, *, gaps=(), **more: object) -> Request:
        truth, guide = truth_and_guide()
        seen = Sensor(SCALE, spread * SCALE).blur(torch.from_numpy(truth)[None, None])[0, 0]
        lst = block_means(seen.numpy(), SCALE)
        lst = lst + strength * np.random.default_rng(6).normal(size=lst.shape)
        for gap in gaps:
            lst[gap] = np.nan
        settings = {"model": "ridge", "scale": SCALE, "overwrite": True, "device": "cpu"}
        return Request(
            BandSource(write_raster("lst.tif", lst.astype(np.float32), COARSE)),
            tmp_path / "fine.tif",
            [BandSource(write_raster("guide.tif", guide, FINE))],
            **settings | more,
        )

    return ask


def made(request: Request) -> tuple[np.ndarray, list[str]]:
    said: list[str] = []
    return read(downscale(request, note=said.append).output), said


def off(fine: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean((fine - truth_and_guide()[0]) ** 2)))


@pytest.mark.parametrize("model", ["ridge", "local", "bicubic"])
def test_exact_sensors_are_conserved_to_the_bit(scene, model):
    fine, said = made(scene(0.1, 0.0, model=model))
    exact, _ = made(scene(0.1, 0.0, model=model, conserve="kelvin"))
    np.testing.assert_array_equal(fine, exact)
    assert not [line for line in said if "noise" in line]


@pytest.mark.parametrize("model", ["ridge", "local"])
def test_a_noisy_and_blurred_sensor_is_believed_as_far_as_it_deserves(scene, model):
    fine, said = made(scene(0.45, NOISE, model=model))
    exact, _ = made(scene(0.45, NOISE, model=model, conserve="kelvin"))
    assert off(fine) < 0.9 * off(exact)
    (found,) = [line for line in said if line.startswith("noise of")]
    believed = float(found.split(", ")[1].split(" K")[0])
    assert NOISE / 2 < believed < NOISE * 1.5
    assert "point spread of the sensor 0.4" in found
    assert [line for line in said if "kept only as far as this noise allows" in line]


def test_noise_that_is_stated_as_nothing_is_exact_conservation(scene):
    exact, _ = made(scene(0.45, NOISE, conserve="kelvin"))
    fine, _ = made(scene(0.45, NOISE, noise=0.0))
    np.testing.assert_array_equal(fine, exact)


def test_noise_that_is_stated_is_believed_where_none_would_be_found(scene):
    exact, _ = made(scene(0.1, 0.0))
    stated, said = made(scene(0.1, 0.0, noise=0.5))
    assert not np.array_equal(stated, exact)
    assert [line for line in said if "0.50 K of it used" in line]


def test_a_dry_run_tells_what_the_run_will_believe(scene):
    planned, _ = plan_downscale(scene(0.45, NOISE))
    assert planned.believed == downscale(scene(0.45, NOISE)).plan.believed is not None


def test_stated_noise_without_effect_is_said(scene):
    _, said = made(scene(0.1, 0.0, noise=0.5, conserve="kelvin"))
    assert [line for line in said if "noise 0.5 K has no effect" in line]


def test_a_part_has_the_bits_of_the_whole(scene):
    gaps = [np.s_[10:13, 20:24], np.s_[40, :7]]
    whole, _ = made(scene(0.45, NOISE, gaps=gaps))
    left, top = COARSE * (22, 9)
    right, bottom = COARSE * (41, 33)
    part, _ = made(scene(0.45, NOISE, gaps=gaps, bounds=(left, bottom, right, top)))
    np.testing.assert_array_equal(part, whole[9 * 4 : 33 * 4, 22 * 4 : 41 * 4])


def test_smaller_tiles_differ_by_rounding_alone(scene):
    whole, _ = made(scene(0.45, NOISE))
    tiled, _ = made(scene(0.45, NOISE, tile=64))
    np.testing.assert_allclose(tiled, whole, atol=1e-3)


@pytest.mark.slow
def test_workers_give_the_bits_of_one_process(scene):
    one, _ = made(scene(0.45, NOISE, tile=64))
    two, _ = made(scene(0.45, NOISE, tile=64, workers=2))
    np.testing.assert_array_equal(two, one)


@pytest.mark.parametrize("chunks", [False, True], ids=["numpy", "dask"])
def test_arrays_give_the_bits_of_files(scene, chunks):
    request = scene(0.45, NOISE, tile=64)
    from_files, _ = made(request)
    sizes = {"x": 32, "y": 32} if chunks else None
    lst, guide = (
        rioxarray.open_rasterio(path, chunks=sizes).squeeze("band", drop=True)
        for path in (request.lst.path, request.guides[0].path)
    )
    fine = groklst_cli.downscale(lst, {"guide": guide}, SCALE, "ridge", tile=64)
    np.testing.assert_array_equal(fine.values, from_files)


def test_a_deviation_counts_what_remains_in_doubt(scene, tmp_path):
    sigma = tmp_path / "sigma.tif"
    request = scene(0.45, NOISE, uncertainty=sigma)
    result = downscale(request)
    assert result.plan.believed is not None
    spread = read(sigma)
    assert np.isfinite(spread).all()
    assert spread.min() > 0.5 * result.plan.believed.doubt
    assert result.to_json()["noise"]["believed"] > 0


@pytest.mark.parametrize(
    "gaps",
    [[np.s_[:, 6:]], [np.s_[::2, ::2], np.s_[1::3, 1::2]], [np.s_[3:, :]]],
    ids=["a strip", "holes everywhere", "three rows"],
)
def test_too_little_to_tell_means_exact(scene, gaps):
    fine, said = made(scene(0.45, NOISE, gaps=gaps))
    exact, _ = made(scene(0.45, NOISE, gaps=gaps, conserve="kelvin"))
    np.testing.assert_array_equal(fine, exact)
    assert not [line for line in said if line.startswith("noise of")]


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (9, 70)])
@pytest.mark.parametrize("constant", [True, False])
def test_small_and_constant_scenes_are_exact(write_raster, tmp_path, shape, constant):
    rng = np.random.default_rng(7)
    lst = np.full(shape, 300.0) if constant else rng.normal(300, 3, shape)
    guide = rng.uniform(0, 1, (shape[0] * SCALE, shape[1] * SCALE)).astype(np.float32)
    sources = (
        BandSource(write_raster("lst.tif", lst.astype(np.float32), COARSE)),
        BandSource(write_raster("guide.tif", guide, FINE)),
    )
    made = {
        kept: read(
            downscale(
                Request(
                    sources[0],
                    tmp_path / f"{kept}.tif",
                    [sources[1]],
                    scale=SCALE,
                    model="ridge",
                    conserve=kept,
                    lst_units="K",
                )
            ).output
        )
        for kept in ("auto", "kelvin")
    }
    np.testing.assert_array_equal(made["auto"], made["kelvin"])


def checkpoint(path: Path) -> str:
    known = Normalization(300, 4)
    header = Header("edsr", SCALE, known, TABLE["edsr"]["tiny"], tile=64, conserve=True)
    torch.manual_seed(0)
    save(Checkpoint(header, header.build_network().state_dict()), path)
    return str(path)


def test_networks_share_what_is_believed_of_the_scene(scene, tmp_path):
    model = checkpoint(tmp_path / "network.safetensors")
    _, said = made(scene(0.45, NOISE, model=model))
    assert [line for line in said if line.startswith("noise of")]
    fine, said = made(scene(0.1, 0.0, model=model))
    exact, _ = made(scene(0.1, 0.0, model=model, conserve="kelvin"))
    np.testing.assert_array_equal(fine, exact)
    assert not [line for line in said if line.startswith("noise of")]
