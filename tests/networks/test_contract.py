"""Laws that every method of the registry keeps."""

import numpy as np
import pytest
import torch
from torch import nn

from groklst_models.contract import FittedMethod, Tiles
from groklst_models.errors import ArgumentsError, UnknownMethodError
from groklst_models.registry import REGISTRY, build, find
from tests.networks.toy_scene import ToyScene

TINY = {"mocolsk": {"width": 8, "stages": 2, "blocks": 1}}
NETWORKS = [name for name, entry in REGISTRY.items() if entry.needs_weights]
FITTED = [name for name, entry in REGISTRY.items() if not entry.needs_weights]
BANDS = 3


def tiny(name: str, scale: int) -> nn.Module:
    torch.manual_seed(0)
    guided = {"guide_channels": BANDS} if find(name).shelf == "guided" else {}
    network: nn.Module = build(name, scale=scale, **guided, **TINY[name])
    return network.eval()


def inputs(name: str, scale: int, height: int, width: int, batch: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lst = torch.randn(batch, 1, height, width, generator=generator)
    guide = torch.randn(batch, BANDS, height * scale, width * scale, generator=generator)
    return [lst, guide] if find(name).shelf == "guided" else [lst]


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("name", NETWORKS)
class TestNetworks:
    def test_odd_sizes_come_out_scaled_and_samples_stay_apart(self, name, scale):
        network = tiny(name, scale)
        sizes = [-(-size // network.multiple_of) * network.multiple_of for size in (17, 23)]
        given = inputs(name, scale, *sizes)
        with torch.inference_mode():
            both = network(*given)
            each = [network(*(t[i : i + 1] for t in given)) for i in range(2)]
        assert both.shape == (2, 1, sizes[0] * scale, sizes[1] * scale)
        torch.testing.assert_close(both, torch.cat(each), atol=1e-5, rtol=1e-5)

    def test_its_state_makes_it_again(self, name, scale):
        first, second = tiny(name, scale), tiny(name, scale)
        for parameter in second.parameters():
            nn.init.zeros_(parameter)
        second.load_state_dict(first.state_dict())
        given = inputs(name, scale, 8, 8)
        with torch.inference_mode():
            torch.testing.assert_close(first(*given), second(*given))

    def test_bfloat16_stays_near_float32(self, name, scale):
        network, given = tiny(name, scale), inputs(name, scale, 8, 8)
        with torch.inference_mode():
            exact = network(*given)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = network(*given)
        assert (rounded.float() - exact).abs().max() < 0.1 * exact.std()


@pytest.mark.parametrize("bands", [("ndvi",), ("red", "nir", "swir1")])
@pytest.mark.parametrize("name", FITTED)
class TestFittedMethods:
    def fitted(self, name: str, scene: ToyScene) -> FittedMethod:
        method: FittedMethod = build(name, scale=scene.scale)
        method.fit(scene)
        assert isinstance(method, FittedMethod)
        return method

    def predict(self, method: FittedMethod, scene: ToyScene) -> torch.Tensor:
        lst = torch.from_numpy(np.nan_to_num(scene.lst, nan=300.0))[None, None]
        return method.predict(Tiles(lst, torch.from_numpy(scene.guide)[None], (0,), (0,)))

    def test_a_scene_comes_out_scaled_finite_and_in_kelvin(self, name, bands):
        scene = ToyScene.make(bands)
        fine = self.predict(self.fitted(name, scene), scene)
        assert fine.shape == (1, 1, *scene.guide.shape[1:])
        assert fine.dtype == torch.float32
        assert (fine > 250).all()
        assert (fine < 350).all()

    def test_gaps_in_lst_and_guide_leave_none_in_the_result(self, name, bands):
        scene = ToyScene.make(bands)
        scene.lst[3:5, 4:9] = np.nan
        scene.guide[0, 20:60, 30:70] = np.nan
        assert torch.isfinite(self.predict(self.fitted(name, scene), scene)).all()

    def test_a_constant_guide_and_a_tiny_scene_do_no_harm(self, name, bands):
        scene = ToyScene.make(bands, shape=(3, 3))
        scene.guide[:] = 0.2
        fine = self.predict(self.fitted(name, scene), scene)
        assert torch.isfinite(fine).all()
        assert fine.mean().item() == pytest.approx(float(scene.lst.mean()), abs=3)

    def test_fitting_twice_gives_the_same_bits(self, name, bands):
        scene = ToyScene.make(bands)
        first, second = (self.predict(self.fitted(name, scene), scene) for _ in range(2))
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_there_is_one_door_and_it_says_what_to_type():
    with pytest.raises(UnknownMethodError, match="choose one of atpk"):
        build("nothing")
    with pytest.raises(ArgumentsError, match="takes no depth; its arguments are scale"):
        build("bicubic", scale=4, depth=3)
    with pytest.raises(ArgumentsError, match="cannot be built"):
        build("ridge", scale=4, shrinkage=-1)


def test_names_are_keys_and_stand_in_order():
    assert [entry.name for entry in REGISTRY.values()] == list(REGISTRY)
    for shelf in ("fitted", "single", "guided"):
        names = [entry.name for entry in REGISTRY.values() if entry.shelf == shelf]
        assert names == sorted(names)
