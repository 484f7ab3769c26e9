"""Networks start where the published code starts, as far as a plain layer's own start differs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.registry import build
from groklst_models.single.egasr import TEMPLATES, EdgeGuidedBlock, TemplateConvolution


def started(name: str, **arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = build(name, scale=2, **arguments)
    return network


def parts(
    network: nn.Module, kind: type[nn.Module] | tuple[type[nn.Module], ...]
) -> list[nn.Module]:
    return [part for part in network.modules() if isinstance(part, kind)]


def deviation(tensors: list[Tensor]) -> float:
    return torch.cat([tensor.flatten() for tensor in tensors]).std().item()


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("swinir", {"layers": 2}),
        ("hit_sir", {"windows": [4, 16]}),
        ("hit_sng", {"windows": [4, 16]}),
        ("hit_srf", {"windows": [4, 16]}),
    ],
)
def test_linear_layers_start_small_and_without_bias(name, layers):
    linear = parts(started(name, width=60, groups=1, **layers), nn.Linear)
    assert deviation([part.weight for part in linear]) == pytest.approx(0.02, rel=0.05)
    assert not any(part.bias.any() for part in linear)


def test_linear_layers_of_ngswin_start_small_and_without_bias():
    network = started("ngswin", width=64, depths=[2, 2], heads=[4, 4], decoder_depth=2)
    mixing = [*network.encoder.joins, network.encoder.merges[0][2], network.bottleneck.steps[2]]
    linear = [*parts(network, nn.Linear), *mixing]
    assert deviation([part.weight for part in linear]) == pytest.approx(0.02, rel=0.05)
    assert not any(part.bias.any() for part in linear if part.bias is not None)


def test_linear_layers_of_dat_start_small_and_without_bias_and_its_temperatures_at_one():
    network = started("dat", width=64, depths=[2], window=(2, 4), heads=4)
    linear = parts(network, nn.Linear)
    assert deviation([part.weight for part in linear]) == pytest.approx(0.02, rel=0.05)
    assert not any(part.bias.any() for part in linear)
    assert (network.groups[0].layers[1].attention.far.temperature == 1).all()


def test_linear_layers_and_position_tables_of_srformer_start_small():
    network = started("srformer", width=60, groups=1, layers=2)
    linear = parts(network, nn.Linear)
    assert deviation([part.weight for part in linear]) == pytest.approx(0.02, rel=0.05)
    assert not any(part.bias.any() for part in linear)
    tables = [tensor for key, tensor in network.state_dict().items() if key.endswith("bias.table")]
    assert deviation(tables) == pytest.approx(0.02, rel=0.05)


def test_position_tables_of_hit_sng_start_small():
    state = started("hit_sng", groups=2).state_dict()
    tables = [tensor for key, tensor in state.items() if key.endswith("bias.table")]
    assert deviation(tables) == pytest.approx(0.02, rel=0.1)


def test_dlgsanet_starts_as_plain_layers_do_with_temperatures_of_one():
    network = started("dlgsanet", groups=1, blocks=2)
    mixing = [part for part in parts(network, nn.Conv2d) if part.weight[0].numel() == 90]
    assert deviation([part.weight for part in mixing]) == pytest.approx(270**-0.5, rel=0.05)
    state = network.state_dict()
    temperatures = [tensor for key, tensor in state.items() if key.endswith("temperature")]
    assert len(temperatures) == 2
    assert all((tensor == 1).all() for tensor in temperatures)


def test_position_tables_of_omni_start_with_unit_deviation():
    network = started("omni", width=16, groups=1, blocks=2)
    tables = [tensor for key, tensor in network.state_dict().items() if key.endswith("bias.table")]
    assert deviation(tables) == pytest.approx(1, rel=0.05)


def test_textures_of_egasr_start_near_identity_and_without_bias():
    blocks = parts(started("egasr", width=64, groups=1, blocks=2), EdgeGuidedBlock)
    convolutions = [part for block in blocks for part in parts(block.textures, nn.Conv2d)]
    assert deviation([part.weight for part in convolutions]) == pytest.approx(0.0059, rel=0.05)
    assert not any(part.bias.any() for part in convolutions)


def test_biases_of_dbpn_start_at_zero():
    network = started("dbpn", width=4, stem_width=8, stages=3)
    convolutions = parts(network, (nn.Conv2d, nn.ConvTranspose2d))
    assert convolutions
    assert not any(part.bias.any() for part in convolutions)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_bias_before_a_template_of_egasr_would_change_nothing(template):
    torch.manual_seed(0)
    layer, published = TemplateConvolution(4, torch.tensor(template)), nn.Conv2d(4, 4, 1)
    layer.mix.weight.data.copy_(published.weight)
    nn.init.normal_(layer.strength)
    features = torch.randn(2, 4, 5, 7)
    bordered = published.bias[:, None, None].repeat(2, 1, 7, 9)  # the bias all around
    bordered[..., 1:-1, 1:-1] = published(features)
    kernels = layer.strength * layer.template
    expected = functional.conv2d(bordered, kernels, layer.bias, groups=4)
    torch.testing.assert_close(layer(features), expected)
