import numpy as np
import pytest
import torch

from groklst_models.place_noise import noise_at

CPU = torch.device("cpu")


def noise(rows, columns, shape, *, seed=0, planes=2, first=0) -> torch.Tensor:
    numbers = range(first, first + planes)
    return noise_at(rows, columns, shape, seed=seed, planes=numbers, device=CPU)


def test_a_pixel_has_its_noise_whatever_tile_and_batch_it_is_in():
    whole = noise([0], [0], (60, 70))[0]
    batch = noise([3, 40, 3], [11, 0, 11], (17, 23))
    torch.testing.assert_close(batch[0], whole[:, 3:20, 11:34], rtol=0, atol=0)
    torch.testing.assert_close(batch[1], whole[:, 40:57, :23], rtol=0, atol=0)
    torch.testing.assert_close(batch[2], batch[0], rtol=0, atol=0)


def test_a_plane_is_the_same_whatever_others_are_asked_for():
    seven = noise([5], [6], (9, 8), planes=7)
    for first, planes in ((0, 3), (4, 2), (6, 1)):
        some = noise([5], [6], (9, 8), planes=planes, first=first)
        torch.testing.assert_close(seven[:, first : first + planes], some, rtol=0, atol=0)


def test_it_is_normal_and_tells_nothing_of_its_neighbours():
    planes = torch.cat([noise([0], [0], (400, 400), seed=seed)[0] for seed in (0, 1, 2**32 - 1)])
    assert planes.dtype == torch.float32
    flat = planes.flatten(1).double()
    assert flat.mean(dim=1).abs().max() < 0.01
    assert (flat.std(dim=1) - 1).abs().max() < 0.01
    for low, share in ((1.0, 0.3173), (2.0, 0.0455), (3.0, 0.0027)):
        assert (flat.abs() > low).double().mean().item() == pytest.approx(share, rel=0.1)
    between = torch.corrcoef(flat) - torch.eye(len(flat))
    assert between.abs().max() < 0.02
    for down, right in ((0, 1), (1, 0), (1, 1), (0, 2), (7, 0)):
        near = planes[:, down:, right:] * planes[:, : 400 - down, : 400 - right]
        assert near.mean(dim=(1, 2)).abs().max() < 0.02
    power = np.abs(np.fft.rfft2(planes[0].numpy())) ** 2 / 400**2
    assert power[1:, 1:].max() < 2 * np.log(power.size)  # no wave stands out


def test_far_rows_are_as_good_as_near_ones():
    far = noise([2**25], [2**24], (200, 200))
    assert abs(far.mean().item()) < 0.02
    assert far.std().item() == pytest.approx(1, abs=0.02)


@pytest.mark.gpu
def test_a_gpu_has_the_same_bits():
    drawn = noise_at([3], [5], (40, 50), seed=2, planes=range(3), device=torch.device("cuda"))
    torch.testing.assert_close(
        drawn.cpu(), noise([3], [5], (40, 50), seed=2, planes=3), rtol=0, atol=0
    )
