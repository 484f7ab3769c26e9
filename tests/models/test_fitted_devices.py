"""Fitted methods compute where their scene is: on a device that is not there, and on a GPU."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from groklst_models.contract import CPU, Tiles
from groklst_models.fading import Fading
from groklst_models.on_device import OnDevice, moved, on_device
from groklst_models.registry import REGISTRY, build
from groklst_models.regression.held_back import HeldBack
from tests.models.far_device import FAR, FarDevice, far_device
from tests.models.toy_scene import ToyScene

METHODS = [name for name, entry in REGISTRY.items() if not entry.needs_weights and entry.any_device]
SHORT = {"scene-net": {"steps": 4, "networks": 1}, "pixtransform": {"steps": 4}}
PREPARED = {"pixtransform": {"aten.cat.default"}}
"""What is done to a scene before it is brought to the device: places are added to its guides."""
KELVIN = dict.fromkeys(METHODS, 0.001) | {"pixtransform": 0.5}
"""Largest difference between a GPU and the CPU that is promised."""


@dataclass
class FarScene(ToyScene):
    """A scene on the device that is not there, whose arrays are watched."""

    far: FarDevice | None = None

    def window(self, rows, columns):
        block = super().window(rows, columns)
        self.far.watch(block.lst)
        self.far.watch(block.guide)
        return block


def scene_of(shape=(22, 20), scale=2, *, gaps: bool) -> ToyScene:
    scene = ToyScene.make(("red", "nir", "green"), shape, scale)
    if gaps:
        scene.lst[3:6, 4:9] = np.nan
        scene.guide[1, :, -3 * scale - 1 :] = np.nan
        scene.guide[:, 7, 11] = np.nan
    return scene


def tiles_of(scene: ToyScene) -> Tiles:
    lst = np.where(np.isnan(scene.lst), np.float32(300), scene.lst)
    return Tiles(torch.from_numpy(lst)[None, None], torch.from_numpy(scene.guide)[None], (0,), (0,))


def answer(name: str, scene: ToyScene, tiles: Tiles) -> torch.Tensor:
    """Fit to the scene and predict on its device, with all that may stand around a method."""
    method = build(name, scale=scene.scale, **SHORT.get(name, {}))
    method.fit(scene)
    if method.uses_guide and not method.holds_back:
        method = HeldBack(method, 0.5)
    if method.uses_guide:
        method = Fading(method)
    return on_device(method, scene.device).predict(tiles)


@pytest.mark.parametrize(
    ("name", "gaps"), [*((name, True) for name in METHODS), ("ridge", False), ("local", False)]
)
def test_all_of_a_method_is_computed_where_its_scene_is(name, gaps):
    scene = scene_of(gaps=gaps)
    tiles = tiles_of(scene)
    near = answer(name, scene, tiles)
    with far_device() as device:
        there = FarScene(scene.lst, scene.guide, scene.bands, scene.scale, device=FAR, far=device)
        far = answer(name, there, tiles)
        assert device.elsewhere == PREPARED.get(name, set())
    assert type(far) is torch.Tensor
    torch.testing.assert_close(far, near, atol=1e-3, rtol=0)


class TestTheDeviceThatIsNotThere:
    """It refuses what a GPU would."""

    def test_two_devices_in_one_operation(self):
        with far_device(), pytest.raises(RuntimeError, match="two devices"):
            torch.ones(3).to(FAR) * torch.ones(3)

    def test_a_tensor_made_without_saying_where(self):
        with far_device(), pytest.raises(RuntimeError, match="two devices"):
            torch.ones(3, 3).to(FAR) + torch.eye(3)

    def test_what_is_looked_up_on_the_cpu_by_places_there(self):
        places = torch.arange(2)
        with far_device():
            assert torch.equal(torch.ones(3).to(FAR)[places].cpu(), torch.ones(2))
            with pytest.raises(RuntimeError, match="two devices"):
                torch.ones(3)[places.to(FAR)]

    def test_an_array_of_what_lies_there(self):
        with far_device(), pytest.raises(TypeError):
            torch.ones(3).to(FAR).numpy()

    def test_what_is_computed_elsewhere_is_told(self):
        array = np.ones(3, np.float32)
        with far_device() as device:
            device.watch(array)
            torch.from_numpy(array).to(FAR).mul(2)
            assert not device.elsewhere
            torch.from_numpy(array).exp().to(FAR)
            assert device.elsewhere == {"aten.exp.default"}


class TestOnDevice:
    def test_in_another_process_it_is_on_the_cpu_until_it_is_brought_elsewhere(self):
        scene = scene_of(gaps=False)
        tiles = tiles_of(scene)
        near = answer("quadratic", scene, tiles)
        method = build("quadratic", scale=2)
        with far_device():
            method.fit(replace(scene, device=FAR))
            sent = pickle.dumps(OnDevice(Fading(HeldBack(method, 0.5)), FAR))
        arrived = pickle.loads(sent)
        assert arrived.device == CPU
        torch.testing.assert_close(arrived.predict(tiles), near, atol=1e-3, rtol=0)
        with far_device():
            there = on_device(arrived, FAR)
            assert there.device == FAR
            torch.testing.assert_close(there.predict(tiles), near, atol=1e-3, rtol=0)

    def test_on_the_cpu_a_method_is_itself(self):
        method = build("bicubic", scale=2)
        assert on_device(method, CPU) is method

    def test_what_is_copied_shares_nothing_that_changes(self):
        method = build("local", scale=2)
        method.fit(scene_of(gaps=False))
        other = moved(method, torch.device("meta"))
        assert other.departures.device.type == other.polynomial.model.slopes.device.type == "meta"
        assert method.departures.device == method.polynomial.model.slopes.device == CPU


@pytest.mark.gpu
@pytest.mark.parametrize("name", METHODS)
def test_a_gpu_answers_as_the_cpu_does(name):
    scene = scene_of((60, 52), 4, gaps=True)
    tiles = tiles_of(scene)
    near = answer(name, scene, tiles)
    far = answer(name, replace(scene, device=torch.device("cuda")), tiles)
    assert (far - near).abs().max() < KELVIN[name]


@pytest.mark.gpu
@pytest.mark.parametrize("name", METHODS)
def test_a_gpu_gives_the_same_bits_again(name):
    scene = replace(scene_of((60, 52), 4, gaps=True), device=torch.device("cuda"))
    tiles = tiles_of(scene)
    assert torch.equal(answer(name, scene, tiles), answer(name, scene, tiles))
