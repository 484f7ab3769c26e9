"""One request, one result, on any number of threads; other precisions and devices stay close.

The figures in kelvin are those that ``docs/precision.md`` states.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_cli.errors import DeviceError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict import method
from groklst_cli.pipeline.predict.choice import choose
from groklst_cli.pipeline.predict.opening import open_scene
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import read
from tests.models.toy_networks import TABLE, is_guided

SCALE = 4
COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
BANDS = ("red", "nir")
NETWORKS = ("mocolsk", "dkn", "edsr", "swinir")
FP32, BF16 = 0.001, 0.03
"""Root mean square difference from fp32 on the CPU that is promised, kelvin."""
LARGEST = 10
"""How many times as much a single pixel may be off."""


@pytest.fixture(scope="module")
def fields() -> tuple[np.ndarray, np.ndarray]:
    """Bands of fields 5 pixels wide, and the temperature that follows them."""
    rng = np.random.default_rng(3)
    red, nir = (
        rng.uniform(0.05, 0.5, (40, 40)).repeat(5, 0).repeat(5, 1).astype(np.float32) for _ in BANDS
    )
    truth = (302 + 20 * (red - 0.3) - 30 * (nir - 0.3)).astype(np.float32)
    return np.stack([red, nir])[:, :192, :192], truth[:192, :192]


@pytest.fixture(scope="module")
def trained(fields, tmp_path_factory) -> dict[str, Path]:
    """Checkpoints of networks that have learned something of the scene."""
    folder = tmp_path_factory.mktemp("trained")
    for name in NETWORKS:
        bands = BANDS if is_guided(name) else ()
        statistics = tuple(BandStatistics(band, 0.275, 0.13) for band in bands)
        known = Normalization(302, 4, statistics)
        header = Header(name, SCALE, known, TABLE[name]["tiny"], tile=64)
        torch.manual_seed(0)
        network = header.build_network()
        learn(network, *fields, guided=bool(bands))
        save(Checkpoint(header, network.state_dict()), folder / name)
    return {name: folder / name for name in NETWORKS}


def learn(network: torch.nn.Module, bands: np.ndarray, truth: np.ndarray, *, guided: bool) -> None:
    """Take a few steps on corners of the scene."""
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    guide = torch.from_numpy((bands - 0.275) / 0.13)[None]
    fine = torch.from_numpy((truth - 302) / 4)[None, None]
    for step in range(25):
        top, left = 64 * (step % 3), 64 * (step // 3 % 3)
        part = fine[..., top : top + 64, left : left + 64]
        seen = guide[..., top : top + 64, left : left + 64]
        coarse = torch.nn.functional.avg_pool2d(part, SCALE)
        loss = (network(coarse, seen) if guided else network(coarse)) - part
        optimizer.zero_grad()
        loss.abs().mean().backward()
        optimizer.step()


@pytest.fixture
def request_for(fields, trained, write_raster, tmp_path):
    """Ask for the scene with a network, or a method, in 16 tiles."""
    bands, truth = fields
    lst = truth.reshape(48, SCALE, 48, SCALE).mean((1, 3))
    guides = [
        BandSource.parse(write_raster(f"{name}.tif", band, COARSE * Affine.scale(1 / SCALE)))
        for name, band in zip(BANDS, bands, strict=True)
    ]
    source = BandSource.parse(write_raster("lst.tif", lst, COARSE))

    def ask(model: str, **more: object) -> Request:
        return Request(
            lst=source,
            output=tmp_path / "fine.tif",
            guides=guides,
            scale=SCALE,
            model=str(trained.get(model, model)),
            overwrite=True,
            overlap=16,
            **({"device": "cpu"} | more),
        )

    return ask


def pixels(request: Request) -> np.ndarray:
    return read(downscale(request).output).astype(np.float64)


def hold(found: np.ndarray, reference: np.ndarray, promised: float) -> None:
    off = np.abs(found - reference)
    assert np.sqrt((off**2).mean()) <= promised
    assert off.max() <= LARGEST * promised


@pytest.mark.parametrize("model", [*NETWORKS, "ridge", "random-forest"])
def test_one_request_has_one_result_on_any_number_of_threads(request_for, model):
    first = pixels(request_for(model, jobs=1))
    np.testing.assert_array_equal(pixels(request_for(model, jobs=3)), first)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_have_learned_and_bf16_differs_by_no_more_than_is_stated(
    request_for, fields, name
):
    plain = pixels(request_for("bicubic", conserve="none"))
    exact = pixels(request_for(name, precision="fp32"))
    rounded = pixels(request_for(name, precision="bf16"))
    assert np.abs(exact - plain).max() > 0.1  # what is compared is a network's own
    assert not np.array_equal(exact, rounded)
    hold(rounded, exact, BF16)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_bf16_repeats_too(request_for, name):
    request = request_for(name, precision="bf16", jobs=1)
    first = pixels(request)
    np.testing.assert_array_equal(pixels(replace(request, jobs=2)), first)


def test_a_fitted_method_knows_no_precision(request_for):
    exact = pixels(request_for("ridge", precision="fp32"))
    np.testing.assert_array_equal(pixels(request_for("ridge", precision="bf16")), exact)


def test_auto_on_the_cpu_is_fp32(request_for):
    exact = pixels(request_for("edsr", precision="fp32"))
    np.testing.assert_array_equal(pixels(request_for("edsr", precision="auto")), exact)


def test_a_network_that_is_made_ready_for_a_gpu_adds_up_in_one_order(
    request_for, trained, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(method, "keep_fp32", lambda device: None)
    monkeypatch.setattr(method, "find_device", torch.device)
    monkeypatch.setattr(torch.nn.Module, "to", lambda network, device: network)
    choice, request = choose(str(trained["edsr"]), BANDS, SCALE), request_for("edsr")
    with open_scene(request, request.lst, request.guides) as scene:
        for device, is_kept in (("cpu", False), ("cuda", True)):
            method.fit_or_load(choice, scene, replace(request, precision="fp32"), device=device)
            assert torch.backends.cudnn.deterministic is is_kept


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch", [2, "auto"])
def test_a_gpu_repeats(request_for, name, precision, batch):
    request = request_for(name, device="cuda", precision=precision, batch=batch)
    first = pixels(request)
    np.testing.assert_array_equal(pixels(request), first)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("precision", "promised"), [("fp32", FP32), ("bf16", BF16)])
def test_a_gpu_agrees_with_the_cpu(request_for, name, precision, promised):
    exact = pixels(request_for(name, precision="fp32"))
    hold(pixels(request_for(name, device="cuda", precision=precision)), exact, promised)


@pytest.mark.gpu(2)
def test_two_gpus_make_what_one_makes(request_for):
    request = request_for("mocolsk", device="cuda:0", batch=2)
    first = pixels(request)
    np.testing.assert_array_equal(pixels(replace(request, device="cuda:0,cuda:1")), first)


@pytest.mark.gpu
def test_a_gpu_without_room_is_told_of_in_one_line(request_for):
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(1 / total)
    try:
        with pytest.raises(DeviceError, match="memory ran out"):
            downscale(request_for("mocolsk", device="cuda"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
