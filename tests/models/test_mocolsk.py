import json
import math
import zlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groklst_models.guided import mocolsk
from groklst_models.guided.mocolsk import (
    MoCoLSKNet,
    convolve_each,
    pooled_by_products,
    pyramid_tokens,
)
from groklst_models.toolkit import published_form
from tests.conftest import SHARED
from tests.operations import Operations

SPEC = SHARED / "spec"
PARAMETERS = {2: 20_011_833, 4: 25_430_841, 8: 40_913_721}
MEAN, DEVIATION = 282.51, 14.59  # kelvin, of the reference's LST

needs_spec = pytest.mark.scenes("spec")


def published(scale: int) -> MoCoLSKNet:
    """The network at its published widths, without memory for its weights."""
    with torch.device("meta"):
        return MoCoLSKNet(scale=scale, guide_channels=10)


def tiny(scale: int = 2) -> MoCoLSKNet:
    torch.manual_seed(0)
    return MoCoLSKNet(scale=scale, guide_channels=3, width=8, stages=2, blocks=1)


def scene(
    batch: int = 1, scale: int = 2, height: int = 17, width: int = 23
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    lst = torch.randn(batch, 1, height, width, generator=generator)
    guide = torch.randn(batch, 3, scale * height, scale * width, generator=generator)
    return lst, guide


def toolkit_shapes(scale: int) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = json.loads((SPEC / f"mocolsk_x{scale}.keys.json").read_text())
    return shapes


def unit_values(key: str, shape: list[int]) -> np.ndarray:
    """Numbers of mean 0 and deviation 1, made from the key by SplitMix64 as the spec says."""
    count = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
    bits = np.uint64(zlib.crc32(key.encode())) + count * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    values = 2 * (bits >> np.uint64(40)).astype(np.float64) / 2**24 - 1
    return (values * math.sqrt(3)).reshape(shape)


def reference_weight(key: str, shape: list[int]) -> Tensor:
    if len(shape) > 1:
        values = unit_values(key, shape) / math.sqrt(math.prod(shape[1:]))
    elif key.endswith("bias"):
        values = 0.01 * unit_values(key, shape)
    else:
        values = np.full(shape, 1.0 if "norm" in key else 0.25)
    return torch.from_numpy(values).float()


@pytest.mark.parametrize("scale", PARAMETERS)
def test_parameter_count_is_the_published_one(scale):
    assert sum(weight.numel() for weight in published(scale).parameters()) == PARAMETERS[scale]


@needs_spec
@pytest.mark.parametrize("scale", [2, 8])
def test_toolkit_keys_are_ours_one_to_one(scale):
    theirs = toolkit_shapes(scale)
    ours = {key: list(weight.shape) for key, weight in published(scale).state_dict().items()}
    sources = published_form("mocolsk", scale=scale).sources(ours)
    keys = {name: source.keys for name, source in sources.items()}
    assert sorted(key for (key,) in keys.values()) == sorted(theirs)
    assert len(theirs) == 615
    assert {name: theirs[key] for name, (key,) in keys.items()} == ours


@needs_spec
@pytest.mark.parametrize(("scale", "size"), [(2, (24, 32)), (8, (12, 16))])
def test_reference_output_is_reached(scale, size):
    network = published(scale)
    made = {key: reference_weight(key, shape) for key, shape in toolkit_shapes(scale).items()}
    ours = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
    weights = published_form("mocolsk", scale=scale).weights(made, ours)
    network.load_state_dict(weights, assign=True)
    height, width = size
    lst = 280 + 15 * torch.from_numpy(unit_values("lst", [1, 1, height, width])).float()
    guide = unit_values("guidance", [1, 10, scale * height, scale * width])
    with torch.inference_mode():
        fine = network((lst - MEAN) / DEVIATION, torch.from_numpy(guide).float())
    kelvin = (fine * DEVIATION + MEAN)[0, 0].numpy()
    reference = np.load(SPEC / f"mocolsk_x{scale}.npy")
    np.testing.assert_allclose(kelvin, reference, rtol=0, atol=1e-4 * reference.std())


@pytest.mark.parametrize("scale", PARAMETERS)
def test_odd_sizes_need_no_padding(scale):
    lst, guide = scene(scale=scale)
    with torch.inference_mode():
        fine = tiny(scale)(lst, guide)
    assert fine.shape == (1, 1, scale * 17, scale * 23)
    assert fine.isfinite().all()


def test_batch_of_two_equals_two_batches_of_one():
    network, (lst, guide) = tiny(), scene(batch=2)
    with torch.inference_mode():
        together = network(lst, guide)
        alone = torch.cat([network(lst[i : i + 1], guide[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_samples_of_a_batch_know_nothing_of_each_other():
    lst, guide = (values.requires_grad_() for values in scene(batch=2))
    first, _ = tiny()(lst, guide)
    for gradient in torch.autograd.grad(first.sum(), (lst, guide)):
        assert gradient[0].any()
        assert not gradient[1].any()


def test_each_sample_is_convolved_with_its_own_kernel():
    generator = torch.Generator().manual_seed(2)
    maps = torch.randn(3, 2, 5, 6, generator=generator)
    kernels = torch.randn(3, 2, 2, 3, 3, generator=generator)
    pairs = zip(maps, kernels, strict=True)
    alone = torch.stack([nn.functional.conv2d(own, kernel, padding=1) for own, kernel in pairs])
    torch.testing.assert_close(convolve_each(maps, kernels), alone)


def test_every_parameter_receives_gradient():
    network = tiny()
    for name, weight in network.named_parameters():
        if name.endswith("attention.squeeze.bias"):
            nn.init.constant_(weight, 5.0)  # at this width one closed ReLU would stop a whole gate
    network(*scene(batch=2)).square().mean().backward()
    gradients = {name: weight.grad for name, weight in network.named_parameters()}
    silent = [name for name, slope in gradients.items() if slope is None or not slope.any()]
    assert silent == []
    assert sum("weight_generation" in name for name in gradients) == 24


def test_kernels_follow_both_modalities():
    generation = tiny().bridges[0].selection.weight_generation
    features = torch.randn(2, 2, 8, 12, 14, generator=torch.Generator().manual_seed(3))
    lst, guide = features.requires_grad_().unbind()
    kernels = generation(lst, guide)
    assert kernels.shape == (2, 2, 2, 3, 3)
    for slope in torch.autograd.grad(kernels.square().sum(), (lst, guide)):
        assert slope.any()


def test_state_dict_round_trip():
    network, inputs = tiny(), scene()
    other = MoCoLSKNet(scale=2, guide_channels=3, width=8, stages=2, blocks=1)
    other.load_state_dict(network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(other(*inputs), network(*inputs), rtol=0, atol=0)


def test_forward_keeps_no_state():
    network, inputs = tiny(), scene()
    before = set(vars(network.bridges[0].selection)), set(network.state_dict())
    with torch.inference_mode():
        first, again = network(*inputs), network(*inputs)
    assert (set(vars(network.bridges[0].selection)), set(network.state_dict())) == before
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_bfloat16_autocast_stays_close():
    network, inputs = tiny(), scene(batch=2)
    with torch.inference_mode():
        exact = network(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(*inputs)
    assert (rough - exact).abs().max() < 0.01 * exact.std()


def test_exports_with_free_batch_and_size():
    network = tiny()
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    with torch.no_grad():
        exported = torch.export.export(
            network, scene(batch=2), dynamic_shapes=(free, free)
        ).module()
        inputs = scene(batch=3, height=11, width=24)
        torch.testing.assert_close(exported(*inputs), network(*inputs))


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    network, inputs = tiny(), scene(batch=2)
    with torch.inference_mode():
        expected = network(*inputs)
        actual = network.cuda()(*(values.cuda() for values in inputs)).cpu()
    assert (actual - expected).abs().max() < 0.01 * expected.std()  # TF32 may be on


@pytest.mark.parametrize("size", [(512, 256), (13, 7), (4, 96), (1, 2)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_products_pool_as_pooling_does(size, kind):
    features = (torch.randn(2, 5, *size) + 3).to(kind)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
        found = pooled_by_products(features)
    near = 1e-6 if kind == torch.float32 else 2**-8  # one rounding
    assert found.dtype == kind
    torch.testing.assert_close(found.double(), pyramid_tokens(features.double()), rtol=near, atol=0)


def test_a_network_that_pools_by_products_answers_and_learns_the_same(monkeypatch):
    network, inputs = tiny(), scene(batch=2)
    answers, gradients = [], []
    for pool in (pyramid_tokens, pooled_by_products):
        monkeypatch.setattr(mocolsk, "pyramid_tokens", pool)
        network.zero_grad()
        answers.append(network(*inputs))
        answers[-1].square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert (answers[0] - answers[1]).abs().max() < 1e-6 * answers[0].std()
    assert (gradients[0] - gradients[1]).norm() < 1e-5 * gradients[0].norm()


def test_a_gpu_never_pools_to_a_grid():
    """Apple's refuses sizes that do not divide, and CUDA's gradient has no fixed order."""
    network = tiny().to("meta")
    with Operations() as operations:
        network(*(values.to("meta") for values in scene())).sum().backward()
    assert not [name for name in operations.names if "adaptive" in name]
