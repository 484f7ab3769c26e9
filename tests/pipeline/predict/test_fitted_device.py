"""A request's device reaches a fitted method, where it is fitted and where it predicts."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import run
from groklst_cli.pipeline.downscale.one_scene import downscale, plan_downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict import devices, method
from tests.conftest import read
from tests.models.far_device import FAR, far_device
from tests.models.toy_scene import ToyScene

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
SCALE = 2


@pytest.fixture
def request_for(write_raster, tmp_path):
    toy = ToyScene.make(("red", "nir", "green"), (24, 22), SCALE)
    toy.lst[3:5, 4:9] = np.nan
    toy.guide[1, :, -9:] = np.nan
    lst = BandSource(write_raster("lst.tif", toy.lst, COARSE))
    fine = COARSE * Affine.scale(1 / SCALE)
    guides = [
        BandSource(write_raster(f"{band}.tif", plane, fine))
        for band, plane in zip(toy.bands, toy.guide, strict=True)
    ]

    def ask(model: str, device: str) -> Request:
        return Request(
            lst, tmp_path / "out.tif", guides, scale=SCALE, model=model, device=device,
            overwrite=True, tile=24,
        )  # fmt: skip

    return ask


@pytest.fixture
def far(monkeypatch):
    """Have a device that is not there, and is one thread's, take the place of a GPU."""
    monkeypatch.setattr(run, "ahead", lambda items, depth=2: nullcontext(iter(items)))
    monkeypatch.setattr(devices, "_is_there", lambda device: True)
    monkeypatch.setattr(
        method, "find_device", lambda name: FAR if name == "cuda" else torch.device("cpu")
    )


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("model", ["ridge", "auto"])
def test_a_map_is_the_same_wherever_it_is_computed(request_for, model):
    said: list[str] = []
    near = read(downscale(request_for(model, "cpu")).output)
    with far_device() as device:
        made = downscale(request_for(model, "cuda"), note=said.append)
        assert device.computed > 1000  # operations
    np.testing.assert_allclose(read(made.output), near, atol=2e-3)
    assert not [line for line in said if "on the CPU" in line]


@pytest.mark.usefixtures("far")
def test_auto_leaves_a_fitted_method_on_the_cpu(request_for):
    with far_device() as device:
        downscale(request_for("ridge", "auto"))
        assert not device.computed


@pytest.mark.usefixtures("far")
def test_a_plan_names_the_device_that_computes(request_for):
    with far_device():
        for model, device, shown in (("bicubic", "cuda", str(FAR)), ("bicubic", "auto", "cpu")):
            assert plan_downscale(request_for(model, device))[1].device == shown


@pytest.mark.parametrize("name", ["mps", "cuda"])
@pytest.mark.parametrize("model", ["ridge", "dms"])
def test_what_stays_on_the_cpu_says_why(monkeypatch, model, name):
    monkeypatch.setattr(devices, "_is_there", lambda device: True)
    said: list[str] = []
    found = method.device_of_fitted(model, name, said.append)
    stays = model == "dms" or name == "mps"
    assert found.type == ("cpu" if stays else name)
    assert len(said) == stays
    assert all(f"{model} computes on the CPU" in line and name in line for line in said)


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["bicubic", "ridge", "auto", "atprk"])
def test_a_gpu_makes_the_same_map(request_for, model):
    near = read(downscale(request_for(model, "cpu")).output)
    there = request_for(model, "cuda")
    first = read(downscale(there).output)
    np.testing.assert_allclose(first, near, atol=0.002)
    np.testing.assert_array_equal(read(downscale(there).output), first)
    np.testing.assert_array_equal(read(downscale(replace(there, workers=2)).output), first)
