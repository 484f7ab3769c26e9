"""What is special about CFGN: the benchmark's form is another than the paper's."""

import pytest

from groklst_models.registry import build
from tests.models.toy_networks import TABLE


@pytest.mark.parametrize(("scale", "place"), [(2, 0), (4, 1), (8, 2)])
def test_the_benchmarks_form_has_the_benchmarks_parameters(scale, place):
    network = build("cfgn", scale=scale, context=False, width=48, blocks=6)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == TABLE["cfgn"]["published"][place]


def test_only_the_papers_form_activates_what_it_distils():
    paper = build("cfgn", scale=2, width=8, blocks=1, groups=4).blocks[0]
    benchmark = build("cfgn", scale=2, width=8, blocks=1, context=False).blocks[0]
    for block, activates in ((paper, True), (benchmark, False)):
        negative = block.last[1](-block.last[0].weight.new_ones(1)).item()
        assert negative == pytest.approx(-0.05 if activates else -1)
