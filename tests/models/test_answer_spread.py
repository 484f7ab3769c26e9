from collections.abc import Iterator

import torch

from groklst_models.answer_spread import DRAWS, TURNS, MeasuredSpread, answers_of, turned_answers
from groklst_models.contract import Method, Tiles


class Leaning:
    """Repeats the LST, and adds what depends on the row in the tile it is shown."""

    scale, halo = 2, 0
    uses_guide, concurrent, device = True, False, torch.device("cpu")

    def __init__(self, lean: float) -> None:
        self.lean = lean

    def predict(self, tiles: Tiles) -> torch.Tensor:
        fine = tiles.lst.repeat_interleave(2, -1).repeat_interleave(2, -2)
        rows = torch.arange(fine.shape[-2], dtype=fine.dtype)[:, None]
        return fine + self.lean * rows


def tiles() -> Tiles:
    lst = 300 + torch.randn(1, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    return Tiles(lst, torch.zeros(1, 2, 10, 14), (0,), (0,))


def test_answers_come_back_as_they_were_asked():
    expected = Leaning(0).predict(tiles())
    answers = list(turned_answers(Leaning(0), tiles()))
    assert len(answers) == 8
    for answer in answers:
        torch.testing.assert_close(answer, expected, rtol=0, atol=0)


def test_it_is_a_method_that_declares_what_the_wrapped_one_does():
    spread = MeasuredSpread(TURNS, 1.0).of(Leaning(0))
    assert isinstance(spread, Method)
    assert (spread.uses_guide, spread.concurrent, spread.device.type) == (True, False, "cpu")


def test_the_spread_is_of_what_turning_changes_times_the_factor():
    even = MeasuredSpread(TURNS, 3.0).of(Leaning(0)).predict(tiles())
    torch.testing.assert_close(even, torch.full_like(even, 0.01))
    once, twice = (
        MeasuredSpread(TURNS, factor).of(Leaning(0.5)).predict(tiles()) for factor in (1.0, 2.0)
    )
    assert (once > 0.3).any()
    torch.testing.assert_close(twice, 2 * once)


class Chancy(Leaning):
    """Draws the LST, higher by a kelvin with each draw."""

    samples = 1

    def draws(self, tiles: Tiles, samples: int) -> Iterator[torch.Tensor]:
        return (self.predict(tiles) + draw for draw in range(samples))


def test_where_there_is_chance_the_spread_is_of_draws_five_at_least():
    chancy = Chancy(0)
    assert answers_of(chancy) is DRAWS
    assert answers_of(Leaning(0)) is TURNS
    spread = MeasuredSpread(DRAWS, 2.0).of(chancy).predict(tiles())
    torch.testing.assert_close(spread, torch.full_like(spread, 2 * 2.5**0.5))  # of 0 … 4
    chancy.samples = 9
    assert (MeasuredSpread(DRAWS, 2.0).of(chancy).predict(tiles()) > spread).all()


def test_the_factor_is_read_from_the_scores_it_was_kept_in():
    for answers, method in ((TURNS, Leaning), (DRAWS, Chancy)):
        assert MeasuredSpread.read({}, method) is None
        assert MeasuredSpread.read({answers.score: 3}, method) == MeasuredSpread(answers, 3.0)
        other = DRAWS if answers is TURNS else TURNS  # a file may say what its network cannot
        assert MeasuredSpread.read({other.score: 3}, method) is None
