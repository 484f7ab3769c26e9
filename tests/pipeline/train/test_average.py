"""Laws of the weights' running mean: all of them move in one operation, each as it would alone."""

import torch
from torch import nn

from groklst_cli.pipeline.train.processes import launch
from groklst_cli.pipeline.train.sets import open_data
from groklst_cli.pipeline.train.training import Training, begin
from tests.data.folders import write_groklst
from tests.operations import Operations
from tests.pipeline.train.test_fit import tiny


def begun(tmp_path, ema: float) -> Training:
    options = tiny(write_groklst(tmp_path / "set"), tmp_path / "run", ema=ema)
    return begin(options, open_data(options), launch("cpu", "fp32"), None)


def test_the_mean_moves_in_one_operation_however_many_weights_there_are(tmp_path):
    training = begun(tmp_path, 0.9)
    training.bare.register_buffer("counted", torch.tensor(3))
    training.averaged.register_buffer("counted", torch.tensor(0))
    training.step = 5
    for weight in training.bare.parameters():
        nn.init.normal_(weight)
    means = [mean.detach().clone() for mean in training.averaged.parameters()]
    with Operations() as operations:
        training.average()
    assert len(means) > 10
    assert [name for name in operations.names if "lerp" in name] == ["_foreach_lerp_.Scalar"]
    pairs = zip(means, training.bare.parameters(), training.averaged.parameters(), strict=True)
    for before, weight, after in pairs:
        expected = before.lerp(weight.detach(), 1 - 5 / 15)
        torch.testing.assert_close(after.detach(), expected, rtol=0, atol=0)
    assert training.averaged.counted == 3
