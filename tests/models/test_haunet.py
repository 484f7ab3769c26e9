"""What is special about HAUNet: it compares all pixels, some rows of the table at a time."""

import torch

from groklst_models.single import haunet


def attended(monkeypatch, pairs: int) -> list[torch.Tensor]:
    """What the attention over pixels makes of a map, and the gradients, so many pairs at a time."""
    monkeypatch.setattr(haunet, "PAIRS", pairs)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(2, 8, 5, 7, generator=generator).requires_grad_() for _ in range(3)]
    temperature = torch.tensor([2.0, 0.5]).reshape(2, 1, 1).requires_grad_()
    mixed = haunet.attend_pixels(*parts, temperature)
    mixed.square().sum().backward()
    return [mixed.detach(), *(part.grad for part in parts), temperature.grad]


def test_pairs_of_pixels_at_a_time_change_nothing(monkeypatch):
    whole = attended(monkeypatch, 35**2)
    for pairs in (1, 80, 35**2 - 1):
        torch.testing.assert_close(attended(monkeypatch, pairs), whole)


def test_pixels_that_point_apart_count_as_those_at_right_angles():
    query = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 2)
    apart = torch.tensor([[-1.0, 0.0], [0.0, 1.0]]).mT.reshape(1, 2, 1, 2)
    value = torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2).expand(1, 2, 1, 2)
    mixed = haunet.attend_pixels(query, apart, value, torch.ones(1, 1, 1))
    torch.testing.assert_close(mixed, torch.full_like(mixed, 2.0))


def test_training_keeps_no_table_of_all_pairs():
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    parts = [torch.randn(1, 4, 12, 12, requires_grad=True) for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        haunet.attend_pixels(*parts, torch.ones(1, 1, 1)).sum()
    assert max(kept) < 144**2
