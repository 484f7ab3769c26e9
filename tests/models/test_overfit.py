"""Every network can learn one real patch by heart; ``-s`` prints the table."""

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from groklst_cli.data.degrade import valid_means
from groklst_models.blocks.upsample import bicubic
from groklst_models.padding import run_padded
from groklst_models.registry import build
from tests.conftest import SHARED
from tests.models.toy_networks import NETWORKS, TABLE, is_guided

SCENE = SHARED / "data/scenes/talca_l7_20130215"
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
SCALE, SIDE, STEPS, RATE = 4, 64, 200, 1e-3

pytestmark = [pytest.mark.slow, pytest.mark.scenes]


@pytest.fixture(scope="module")
def patch() -> tuple[Tensor, Tensor, Tensor]:
    """The most varied whole patch of a scene at 60 m: LST, guidance, truth; standardised."""
    truth, *guides = (standardised(name) for name in ("lst", *BANDS))
    corners = [
        (row, column)
        for row in range(0, truth.shape[0] - SIDE + 1, 32)
        for column in range(0, truth.shape[1] - SIDE + 1, 32)
        if np.isfinite(cut(truth, row, column)).all()
    ]
    where = max(corners, key=lambda corner: cut(truth, *corner).std())
    fine = torch.from_numpy(cut(truth, *where))[None, None]
    guide = torch.from_numpy(np.nan_to_num(np.stack([cut(band, *where) for band in guides])))
    return functional.avg_pool2d(fine, SCALE), guide[None], fine


def standardised(name: str) -> NDArray[np.float32]:
    with rasterio.open(SCENE / f"{name}.tif") as dataset:
        rows, columns = (side - side % 2 for side in dataset.shape)
        values = dataset.read(1, masked=True).astype(np.float32).filled(np.nan)[:rows, :columns]
    means = valid_means(values, 2)
    return (means - np.nanmean(means)) / np.nanstd(means)


def cut(values: NDArray[np.float32], row: int, column: int) -> NDArray[np.float32]:
    return values[row : row + SIDE, column : column + SIDE]


@pytest.mark.parametrize("name", NETWORKS)
def test_200_steps_halve_the_error_of_bicubic(name, patch):
    lst, guide, truth = patch
    guide = guide if is_guided(name) else None
    torch.manual_seed(0)
    channels = {"guide_channels": len(BANDS)} if guide is not None else {}
    network = build(name, scale=SCALE, **channels, **TABLE[name]["small"])
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(STEPS):
        loss = (run_padded(network, lst, guide, SCALE) - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        learned = (run_padded(network, lst, guide, SCALE) - truth).abs().mean().item()
        plain = (bicubic(lst, SCALE) - truth).abs().mean().item()
    print(f"{name}: {learned / plain:.3f} of bicubic's L1")
    assert learned < 0.5 * plain
