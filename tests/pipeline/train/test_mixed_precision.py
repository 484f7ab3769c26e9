"""Training in bf16 computes what a scene is computed with: the network's inputs are not rounded."""

import pytest
import torch
from torch import Tensor, nn

from groklst_cli.pipeline.train.processes import launch


class Added(nn.Module):
    """A network that adds the LST to a convolution's answer, as networks here do."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, lst: Tensor) -> Tensor:
        return lst + self.convolution(lst)


@pytest.mark.filterwarnings("ignore:.*fp16 is not supported on CPU")
@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_a_network_in_training_gives_what_autocast_alone_gives(precision, kind):
    torch.manual_seed(0)
    network, lst = Added(), torch.randn(2, 1, 8, 8)
    with torch.inference_mode(), torch.autocast("cpu", dtype=kind):
        expected = network(lst)
    wrapped = launch("cpu", precision).setup(network)
    assert torch.equal(wrapped(lst).detach(), expected)
    assert wrapped(lst).dtype == torch.float32
