"""Where half floats would not do, a network computes as precisely as it was loaded."""

import inspect

import pytest
import torch
from torch import Tensor

from groklst_models.registry import find
from tests.models.toy_networks import fits, inputs, tiny


@pytest.mark.parametrize(
    ("name", "function"),
    [("sgnet", "to_spectrum"), ("sgnet", "from_spectrum"), ("san", "square_root")],
)
def test_autocast_does_not_reach_what_it_would_spoil(name, function, monkeypatch):
    module = inspect.getmodule(find(name).load())
    precise = getattr(module, function)
    kinds: list[torch.dtype] = []

    def told(values: Tensor, *others: object) -> object:
        assert not torch.is_autocast_enabled("cpu")
        kinds.append(values.dtype)
        return precise(values, *others)

    monkeypatch.setattr(module, function, told)
    network = tiny(name, 2)
    side = fits(network, 16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        network(*inputs(name, 2, side, side))
    assert set(kinds) == {torch.float32}
