"""Laws of a batch that was chosen for a run: where memory runs out later, it is halved."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_cli.errors import DeviceError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict import ready
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.network_method import NetworkMethod
from groklst_models.normalization import Normalization
from tests.conftest import read
from tests.models.toy_networks import TABLE

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
CHOSEN = 4


@pytest.fixture
def request_for(write_raster, tmp_path):
    """Ask for a scene of 5 × 5 tiles with a network."""
    header = Header("srcnn", 4, Normalization(300, 5), TABLE["srcnn"]["tiny"], tile=64)
    torch.manual_seed(0)
    network = tmp_path / "net.safetensors"
    save(Checkpoint(header, header.build_network().state_dict()), network)
    lst = np.random.default_rng(0).normal(300, 5, (64, 64)).astype(np.float32)
    source = BandSource(write_raster("lst.tif", lst, NORTH))

    def ask(**more: object) -> Request:
        output = tmp_path / "fine.tif"
        return Request(source, output, model=str(network), overlap=16, device="cpu", **more)

    return ask


@pytest.fixture
def room(monkeypatch):
    """Let the GPU that is played hold so many tiles, once it has held more so many times."""
    held = {"tiles": 999, "after": 0}
    predict = NetworkMethod.predict

    def limited(method: NetworkMethod, tiles: object) -> torch.Tensor:
        if len(tiles.lst) > held["tiles"]:
            held["after"] -= 1
            if held["after"] < 0:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return predict(method, tiles)

    monkeypatch.setattr(NetworkMethod, "predict", limited)
    monkeypatch.setattr(ready, "fitting_batch", lambda *facts: CHOSEN)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return held


@pytest.mark.parametrize("tiles", [3, 2, 1])
@pytest.mark.parametrize("after", [0, 2])
def test_a_run_that_lacks_memory_goes_on_with_less(request_for, room, tiles, after):
    expected = read(downscale(request_for()).output)
    room.update(tiles=tiles, after=after)
    said: list[str] = []
    done = downscale(request_for(overwrite=True), note=said.append)
    np.testing.assert_allclose(read(done.output), expected, rtol=0, atol=1e-3)
    assert [line for line in said if "memory ran out" in line] == [
        f"memory ran out with batches of {batch} tiles: continuing with batches of {batch // 2}"
        for batch in (4, 2)
        if batch > tiles
    ]


def test_a_run_is_gone_on_with_as_it_was_left(request_for, room):
    room.update(tiles=0, after=4)
    with pytest.raises(DeviceError, match="memory ran out"):
        downscale(request_for())
    room.update(tiles=1)
    said: list[str] = []
    downscale(request_for(resume=True), note=said.append)
    assert not [line for line in said if "memory ran out" in line]
    assert [line for line in said if "from an earlier run" in line]


def test_a_batch_that_was_asked_for_is_kept(request_for, room):
    room.update(tiles=2)
    with pytest.raises(DeviceError, match="--batch 1"):
        downscale(replace(request_for(), batch=4))
