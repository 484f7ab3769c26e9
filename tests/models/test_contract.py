"""Laws that every method of the registry keeps."""

import inspect
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from groklst_models.accounting import BENCHMARK_CHANNELS
from groklst_models.contract import FittedMethod, Method, Tiles
from groklst_models.errors import ArgumentsError, UnknownMethodError
from groklst_models.registry import REGISTRY, build, by_name, find
from tests.models.toy_networks import (
    NETWORKS,
    TABLE,
    fits,
    inputs,
    is_guided,
    run,
    tiny,
)
from tests.models.toy_scene import ToyScene

FITTED = {
    name: pytest.mark.method(name) for name, entry in REGISTRY.items() if not entry.needs_weights
}
Arguments = tuple[tuple[str, Any], ...]
SCALES = (2, 4, 8)


@pytest.mark.parametrize(
    "scale", [4, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (2, 8))]
)
@pytest.mark.parametrize("name", NETWORKS)
class TestNetworks:
    @pytest.mark.parametrize("size", [(17, 23), (1, 2)])
    def test_odd_sizes_come_out_scaled_and_samples_stay_apart(self, name, scale, size):
        network, given = tiny(name, scale), inputs(name, scale, *size)
        both = run(network, given, scale)
        each = [run(network, [part[i : i + 1] for part in given], scale) for i in range(2)]
        assert both.shape == (2, 1, size[0] * scale, size[1] * scale)
        assert torch.isfinite(both).all()
        torch.testing.assert_close(both, torch.cat(each), atol=1e-4, rtol=1e-4)

    def test_samples_stay_apart_in_training_too_and_every_parameter_learns(self, name, scale):
        without_gradient = set(dict(tiny(name, scale).named_parameters()))
        for seed in range(8):  # a narrow ReLU may be shut in one draw
            network = shaken(name, scale, seed).train()
            sizes = [fits(network, size) for size in (7, 9)]
            given = inputs(name, scale, *sizes)
            fine = network(*given)
            alone = network(*(part[1:] for part in given))
            torch.testing.assert_close(fine[1:], alone, atol=1e-4, rtol=1e-4)
            (fine - torch.randn_like(fine)).square().mean().backward()
            learned = {
                key
                for key, parameter in network.named_parameters()
                if parameter.grad is not None
                and torch.isfinite(parameter.grad).all()
                and parameter.grad.any()
            }
            without_gradient -= learned
            if not without_gradient:
                break
        assert not without_gradient

    def test_its_state_makes_it_again(self, name, scale):
        first, second = shaken(name, scale, 1), shaken(name, scale, 2)
        second.load_state_dict(first.state_dict())
        given = inputs(name, scale, fits(first, 8), fits(first, 8))
        with torch.inference_mode():
            torch.testing.assert_close(first(*given), second(*given), rtol=0, atol=0)

    def test_bfloat16_stays_near_float32(self, name, scale):
        network = tiny(name, scale)
        given = inputs(name, scale, fits(network, 8), fits(network, 8))
        with torch.inference_mode():
            exact = network(*given)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = network(*given)
        # some processors add in bfloat16 themselves
        assert (rounded.float() - exact).abs().max() < 0.15 * exact.std()

    def test_flat_inputs_do_no_harm(self, name, scale):
        network = tiny(name, scale)
        given = [torch.zeros_like(t) for t in inputs(name, scale, 8, 8)]
        fine = run(network, given, scale)
        assert torch.isfinite(fine).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NETWORKS)
def test_its_parameters_are_counted_and_are_the_benchmarks(name, scale):
    arguments = {"guide_channels": BENCHMARK_CHANNELS} if is_guided(name) else {}
    with torch.device("meta"):
        network = build(name, scale=scale, **arguments)
    place = SCALES.index(scale)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == TABLE[name]["parameters"][place]
    published = TABLE[name]["published"][place]
    if published and abs(count / published - 1) > 0.02:
        header = inspect.getmodule(find(name).load()).__doc__
        assert "parameters" in header, f"{count} parameters, published {published}"


SLOWEST = {"pgdm"}
"""Networks whose facts take minutes to find out."""

SLOW = {"haunet", "sgnet", "dkn", "fdkn", "djfr", "ngswin"}
"""Networks whose reach takes many seconds to find out."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOWEST)) for n in NETWORKS]
)
def test_a_larger_odd_size_works(name):
    network, given = tiny(name, 2), inputs(name, 2, 33, 47, batch=1)
    fine = run(network, given, 2)
    assert fine.shape == (1, 1, 66, 94)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOWEST | SLOW)) for n in NETWORKS]
)
def test_it_says_whether_it_sees_the_whole_tile(name):
    far = False
    for seed in range(4):  # a narrow ReLU may be shut in one draw
        network = shaken(name, 2, seed)
        side = fits(network, 96)
        given = inputs(name, 2, side, side, batch=1)
        given[0].requires_grad_()
        network(*given)[0, 0, 0, 0].backward()
        far = far or bool(given[0].grad[0, 0, -16:, -16:].any())
        if far:
            break
    assert far == network.sees_whole_tile


@pytest.mark.skipif(not hasattr(torch, "export"), reason="this torch has no export")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("edsr", "swinir")))
        for name in NETWORKS
        if TABLE[name]["exports"]
    ],
)
def test_it_exports_where_the_table_says_so(name):
    network = tiny(name, 2)
    given = tuple(inputs(name, 2, fits(network, 8), fits(network, 8), batch=1))
    program = torch.export.export(network, given, strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(program.module()(*given), network(*given))


def shaken(name: str, scale: int, seed: int) -> nn.Module:
    """A tiny network none of whose parameters is zero, as after some training."""
    network = tiny(name, scale, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


FEW_STEPS = {"scene-net": {"steps": 20}, "pixtransform": {"steps": 60}}
"""Methods whose fits take many seconds, and what makes them short."""


@cache
def fitted_to_all(name: str, bands: tuple[str, ...], arguments: Arguments) -> FittedMethod:
    return fitted(name, ToyScene.make(bands), arguments)


def fitted(name: str, scene: ToyScene, arguments: Arguments) -> FittedMethod:
    method: FittedMethod = build(name, scale=scene.scale, **dict(arguments))
    method.fit(scene)
    assert isinstance(method, FittedMethod)
    assert isinstance(method, Method)
    return method


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *(
            pytest.param(name, tuple(FEW_STEPS.get(name, {}).items()), id=name, marks=marks)
            for name, marks in FITTED.items()
        ),
        *(
            pytest.param(name, (), id=f"{name} in full", marks=pytest.mark.slow)
            for name in FEW_STEPS
        ),
    ],
)
@pytest.mark.parametrize("bands", [("ndvi",), ("red", "nir", "swir1")])
class TestFittedMethods:
    def predict(self, method: FittedMethod, scene: ToyScene) -> torch.Tensor:
        lst = torch.from_numpy(np.nan_to_num(scene.lst, nan=300.0))[None, None]
        return method.predict(Tiles(lst, torch.from_numpy(scene.guide)[None], (0,), (0,)))

    def test_a_scene_comes_out_scaled_finite_and_in_kelvin(self, name, arguments, bands):
        scene = ToyScene.make(bands)
        fine = self.predict(fitted_to_all(name, bands, arguments), scene)
        assert fine.shape == (1, 1, *scene.guide.shape[1:])
        assert fine.dtype == torch.float32
        assert (fine > 250).all()
        assert (fine < 350).all()

    def test_gaps_in_lst_and_guide_leave_none_in_the_result(self, name, arguments, bands):
        scene = ToyScene.make(bands)
        scene.lst[3:5, 4:9] = np.nan
        scene.guide[0, 20:60, 30:70] = np.nan
        assert torch.isfinite(self.predict(fitted(name, scene, arguments), scene)).all()

    def test_a_constant_guide_and_a_tiny_scene_do_no_harm(self, name, arguments, bands):
        scene = ToyScene.make(bands, shape=(3, 3))
        scene.guide[:] = 0.2
        fine = self.predict(fitted(name, scene, arguments), scene)
        assert torch.isfinite(fine).all()
        assert fine.mean().item() == pytest.approx(float(scene.lst.mean()), abs=3)

    def test_fitting_twice_gives_the_same_bits(self, name, arguments, bands):
        scene = ToyScene.make(bands)
        methods = fitted_to_all(name, bands, arguments), fitted(name, scene, arguments)
        first, second = (self.predict(method, scene) for method in methods)
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_there_is_one_door_and_it_says_what_to_type():
    with pytest.raises(UnknownMethodError, match="choose one of atpk"):
        build("nothing")
    with pytest.raises(ArgumentsError, match="has no argument depth; its arguments are scale"):
        build("bicubic", scale=4, depth=3)
    with pytest.raises(ArgumentsError, match="cannot be built"):
        build("ridge", scale=4, shrinkage=-1)


def test_names_are_keys_and_stand_in_order():
    with pytest.raises(ValueError, match="two methods named ridge"):
        by_name([find("ridge"), find("best"), replace(find("best"), name="ridge")])
    for shelf in ("fitted", "single", "guided"):
        names = [entry.name for entry in REGISTRY.values() if entry.shelf == shelf]
        assert names == sorted(names)
