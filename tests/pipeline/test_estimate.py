"""Laws of estimates and of the batch that is found."""

import pytest
import torch

from groklst_cli.pipeline.estimate import largest_useful


def timed(limit: int, each: dict[int, float]):
    """Pretend to run batches: a time for each tile by batch, and no memory beyond a limit."""

    def seconds(batch: int) -> float:
        if batch > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch * each.get(batch, min(each.values()))

    return seconds


@pytest.mark.parametrize(
    ("limit", "each", "expected", "told"),
    [
        (64, {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.39}, 4, False),
        (64, {1: 1.0}, 1, False),
        (2, {1: 1.0, 2: 0.6, 4: 0.1}, 2, True),
        (1, {1: 1.0}, 1, True),
        (999, {2**i: 0.5**i for i in range(9)}, 64, False),
    ],
)
def test_a_batch_doubles_while_that_pays_and_memory_allows(
    monkeypatch, limit, each, expected, told
):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    notes: list[str] = []
    assert largest_useful(timed(limit, each), notes.append) == expected
    assert bool(notes) == told
