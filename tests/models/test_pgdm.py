"""PGDM against the authors' own code, its chain against the paper's equations, its noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from groklst_models.contract import SamplingMethod, SamplingNetwork, Tiles
from groklst_models.guided.pgdm import PGDM
from groklst_models.network_method import run_network
from groklst_models.normalization import BandStatistics, Normalization
from groklst_models.registry import build
from tests.models.reference.rule import Reference, unit
from tests.models.test_references import CLOSE
from tests.models.toy_networks import inputs, tiny

STATISTICS = Normalization(300.0, 5.0, tuple(BandStatistics(name, 0, 1) for name in "abc"))
CPU = torch.device("cpu")


def fed(reference: Reference, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(unit(n, reference.inputs[n])).float() for n in names]


def far(answer: torch.Tensor, reference: Reference) -> float:
    assert answer.shape == reference.answer.shape
    return float(np.abs(answer.numpy() - reference.answer).max() / reference.answer.std())


@pytest.mark.parametrize(("name", "step"), [("pgdm_step_x1", 1), ("pgdm_step_limit_x1", 2)])
@torch.inference_mode()
def test_a_guess_is_that_of_the_published_code(name, step):
    reference = Reference.read(name)
    network, (lst, guide, state) = reference.built(), fed(reference, "lst", "guide", "xt")
    guess = network.denoise(state, torch.tensor([step]), *network.look(lst, guide))
    assert far(guess, reference) < CLOSE


@pytest.mark.parametrize("name", ["pgdm_sample_x1", "pgdm_sample15_x1"])
@torch.inference_mode()
def test_a_draw_is_that_of_the_published_code(name):
    reference = Reference.read(name)
    network, (lst, guide) = reference.built(), fed(reference, "lst", "guide")
    keys = [key for key in reference.inputs if key.startswith("noise")]
    assert len(keys) == network.steps
    assert far(network(lst, guide, torch.cat(fed(reference, *keys), dim=1)), reference) < CLOSE


class Knowing(PGDM):
    """Guesses what it is told, so that only the chain is at work."""

    known: torch.Tensor

    def denoise(self, state, step, interpolated, surface):
        return self.extended(self.known / self.reach)


def test_the_chain_without_noise_ends_at_the_guess_and_meets_the_states_on_the_way():
    network = Knowing(scale=2, guide_channels=1, width=8, multipliers=(1, 1), kappa=0.0)
    lst, guide = torch.randn(1, 1, 6, 6), torch.zeros(1, 1, 12, 12)
    network.known = torch.randn(1, 1, 12, 12)
    torch.testing.assert_close(network(lst, guide), network.known)
    # From the state of one step, a step back with the true LST gives that of the step before.
    fine, coarse = torch.tensor(3.0), torch.tensor(5.0)
    states = [fine + root**2 * (coarse - fine) for root in network.roots]
    for step in (2, 1):
        share = (network.roots[step - 1] / network.roots[step]) ** 2
        torch.testing.assert_close(share * states[step] + (1 - share) * fine, states[step - 1])


def test_noise_on_the_way_has_the_spread_that_its_state_has_in_training():
    network = Knowing(
        scale=2, guide_channels=1, width=8, multipliers=(1, 1), kappa=0.3, roots=(0.2, 0.7)
    )
    seen = []
    lst, guide = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 128, 128)
    network.known = torch.zeros(1, 1, 128, 128)

    def watch(state, root):
        seen.append(state.std().item())
        return state

    network.scaled = watch
    network(lst, guide, torch.randn(1, 2, 128, 128))
    expected = [0.3 * root for root in reversed(network.roots)]
    assert seen == pytest.approx(expected, rel=0.03)


def test_draws_of_one_call_are_those_of_calls_of_their_own():
    network, (lst, guide) = tiny("pgdm", 4), inputs("pgdm", 4, 6, 5)
    assert isinstance(network, SamplingNetwork)
    noise = [torch.randn(2, network.steps, 24, 20) for _ in range(3)]
    with torch.inference_mode():
        together = list(network.draws(lst, guide, noise))
        for fine, planes in zip(together, noise, strict=True):
            torch.testing.assert_close(fine, network(lst, guide, planes), rtol=0, atol=0)
    assert torch.stack(together).std(dim=0).mean() > 0


def test_a_guess_is_no_farther_than_the_limit():
    network = build("pgdm", scale=2, guide_channels=3, width=8, multipliers=[1, 1], limit=0.1)
    with torch.no_grad():
        network.head.bias.fill_(9.0)
    lst, guide = inputs("pgdm", 2, 8, 8)
    with torch.inference_mode():
        fine = network(lst, guide)
        smooth = network.reach * network.look(lst, guide)[0]
    torch.testing.assert_close(fine, smooth + 0.1 * network.reach)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"roots": [0.5, 0.4]}, "expected rising numbers"),
        ({"roots": [0.5, 1.5]}, "expected rising numbers"),
        ({"multipliers": [1]}, "two levels"),
        ({"kappa": -1.0}, "0 or more"),
    ],
)
def test_impossible_chains_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        PGDM(scale=2, guide_channels=1, **wrong)


def method(**options):
    return run_network(
        tiny("pgdm", 2), STATISTICS, scale=2, bands=("a", "b", "c"), device=CPU, **options
    )


def scene() -> Tiles:
    lst, guide = inputs("pgdm", 2, 8, 10)
    return Tiles(300 + 5 * lst, guide, (4, 20), (0, 7))


def test_batches_do_not_show_in_draws_and_places_and_seeds_do():
    drawing, tiles = method(samples=2), scene()
    assert isinstance(drawing, SamplingMethod)
    both = drawing.predict(tiles)
    alone = Tiles(tiles.lst[1:], tiles.guide[1:], (20,), (7,))
    torch.testing.assert_close(both[1:], drawing.predict(alone), rtol=0, atol=1e-4)
    moved = drawing.predict(replace(alone, rows=(21,)))
    assert (moved - both[1:]).abs().max() > 1e-3
    other = method(samples=2, seed=1).predict(tiles)
    assert (other - both).abs().max() > 1e-3


def test_the_prediction_is_the_mean_of_draws_that_begin_alike():
    drawing, tiles = method(samples=3), scene()
    five = torch.stack(list(drawing.draws(tiles, 5)))
    assert five.shape == (5, 2, 1, 16, 20)
    torch.testing.assert_close(drawing.predict(tiles), five[:3].mean(dim=0))
    torch.testing.assert_close(method().predict(tiles), five[0])


def test_the_surface_is_looked_at_once_however_many_draws(monkeypatch):
    drawing, looks = method(), []
    look = PGDM.look
    monkeypatch.setattr(PGDM, "look", lambda *given: looks.append(1) or look(*given))
    drawn = drawing.draws(scene(), 1000)
    for _ in range(4):  # made one at a time: a thousand take no more memory than one
        next(drawn)
    assert len(looks) == 1
