"""Imitate the measurement of a coarse sensor: its blur, its means and its noise.

The noise depends on the protocol's seed, the scene's name and the pixel, so it is the same for
every method and run.
"""

import zlib
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_cli.geo.conserve import block_means
from groklst_cli.geo.smoothing import gaussian_mean
from groklst_cli.pipeline.evaluate.protocol import WaldProtocol
from groklst_models.place_noise import noise_at

COARSE_DETAIL_SIGMA: Final = 1.0
"""Coarse detail is the difference from a Gaussian mean with this standard deviation, coarse
pixels."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A coarse LST as the imitated sensor measures it.

    Attributes:
        coarse: ``(rows, columns)``, kelvin, NaN where the truth has a gap.
        exact: Plain means of the truth, the same shape.
        noise: Standard deviation of the noise in ``coarse``, kelvin.
    """

    coarse: NDArray[np.float32]
    exact: NDArray[np.float32]
    noise: float

    @classmethod
    def of(cls, truth: NDArray[np.float32], protocol: WaldProtocol, scene: str) -> Self:
        """Blur, then average, then add noise.

        Args:
            truth: ``(rows · scale, columns · scale)``, kelvin.
            protocol: States the scale, the point spread and the noise.
            scene: The scene's name.
        """
        scale = protocol.scale
        exact = block_means(truth, scale).astype(np.float32)
        if protocol.is_exact:
            return cls(exact, exact, 0.0)
        seen = gaussian_mean(truth, protocol.psf_sigma * scale).astype(np.float32)
        coarse = block_means(seen, scale).astype(np.float32)
        noise = protocol.noise_k or protocol.noise_of_detail * detail_spread(exact)
        drawn = _drawn(coarse.shape, protocol.seed, scene)
        return cls((coarse + noise * drawn).astype(np.float32), exact, noise)


def detail_spread(coarse: NDArray[np.float32]) -> float:
    """Return the standard deviation of the coarse detail, kelvin; 0 where nothing is known."""
    detail = (coarse - gaussian_mean(coarse, COARSE_DETAIL_SIGMA))[np.isfinite(coarse)]
    return float(detail.std()) if detail.size else 0.0


def _drawn(shape: tuple[int, ...], seed: int, scene: str) -> NDArray[np.float64]:
    """Draw standard normal noise, independent for each seed and name."""
    rows, columns = shape
    key = seed << 32 | zlib.crc32(scene.encode())
    where = torch.device("cpu")
    planes = noise_at([0], [0], (rows, columns), seed=key, planes=range(1), device=where)
    drawn: NDArray[np.float64] = planes[0, 0].double().numpy()
    return drawn
