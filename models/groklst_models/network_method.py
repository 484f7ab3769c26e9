"""A network and its normalization, run as a method: kelvin in, kelvin out."""

from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from groklst_models.bands import derive_known
from groklst_models.contract import SamplingNetwork, Tiles
from groklst_models.errors import MissingBandsError
from groklst_models.indices import derivable
from groklst_models.inputs import NetworkInputs, network_inputs
from groklst_models.normalization import Normalization
from groklst_models.padding import run_padded
from groklst_models.place_noise import noise_at
from groklst_models.precisions import Precision

_DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}


class NetworkMethod:
    """Standardises, pads to the network's multiple, runs it, crops and restores kelvin.

    Attributes:
        network: In evaluation mode, on its device.
        normalization: What it was trained with.
        uses_guide: Whether the network has guidance channels.
        device: Where it runs.
        concurrent: Whether tiles are best computed side by side, each on one thread.
    """

    halo = 0

    def __init__(
        self,
        network: nn.Module,
        normalization: Normalization,
        *,
        scale: int,
        bands: tuple[str, ...],
        device: torch.device,
        precision: Precision = "fp32",
    ) -> None:
        """Move a network to its device.

        Args:
            network: Takes standardised ``(lst, guide)``, or ``(lst)`` alone.
            normalization: What it was trained with.
            scale: Fine pixels along a coarse pixel.
            bands: Names of the guidance bands that tiles will hold.
            device: Where to run.
            precision: Precision of the computation; results are always float32.

        Raises:
            MissingBandsError: If a band of the network is missing and cannot be derived; for a
                network that was trained with missing bands, if all are.
        """
        self._bands = bands
        _check_bands(normalization, bands)
        self.network = network.to(device).eval()
        self.normalization = normalization
        self.scale = scale
        self.uses_guide = bool(normalization.bands)
        self.device, self._precision = device, precision
        self.concurrent = device.type == "cpu"

    def predict(self, tiles: Tiles) -> Tensor:
        """Return ``(B, 1, s·h, s·w)`` in kelvin, on the CPU."""
        inputs = self._inputs(tiles)
        with torch.inference_mode(), self._autocast():
            fine = run_padded(self.network, inputs.lst, inputs.guide, self.scale).float()
        return inputs.restore(fine).cpu()

    def _inputs(self, tiles: Tiles) -> NetworkInputs:
        """Move tiles to the device, and standardise them."""
        guide = None
        if self.uses_guide:
            assert tiles.guide is not None
            wanted = self.normalization.band_names
            guide = derive_known(self._brought(tiles.guide), self._bands, wanted)
        lst = self._brought(tiles.lst)
        return network_inputs(self.normalization, lst, guide, self.scale)

    def _brought(self, values: Tensor) -> Tensor:
        """Move a tensor to the device; to a GPU without making the CPU wait."""
        if self.device.type != "cuda":
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type,
            dtype=_DTYPES.get(self._precision, torch.bfloat16),
            enabled=self._precision != "fp32",
        )


class SampledNetworkMethod(NetworkMethod):
    """A network with random answers, which depend on the seed and each pixel's position.

    A draw does not depend on batches, tiles or processes, and overlapping tiles share their noise.

    Attributes:
        seed: Seed of the noise.
        samples: Draws whose mean is predicted.
    """

    def __init__(
        self, network: nn.Module, *arguments: Any, seed: int, samples: int, **options: Any
    ) -> None:
        """Take a ``SamplingNetwork``, and what ``NetworkMethod`` takes."""
        super().__init__(network, *arguments, **options)
        self.seed, self.samples = seed, samples

    def predict(self, tiles: Tiles) -> Tensor:
        """Return the mean ``(B, 1, s·h, s·w)`` of the draws; kelvin, on the CPU."""
        draws = self.draws(tiles, self.samples)
        total = next(draws)
        for fine in draws:
            total = total + fine
        return total / self.samples

    def draws(self, tiles: Tiles, samples: int) -> Iterator[Tensor]:
        """Make draws ``(B, 1, s·h, s·w)``, one at a time; kelvin, on the CPU."""
        assert isinstance(self.network, SamplingNetwork)
        inputs, steps = self._inputs(tiles), self.network.steps
        assert inputs.guide is not None
        parts = (range(first, first + steps) for first in range(0, samples * steps, steps))
        noise = (self._noise(tiles, planes) for planes in parts)
        drawn = self.network.draws(inputs.lst, inputs.guide, noise)
        for _ in range(samples):
            with torch.inference_mode(), self._autocast():  # not while the caller works on the draw
                fine = next(drawn).float()
            yield inputs.restore(fine).cpu()

    def _noise(self, tiles: Tiles, planes: range) -> Tensor:
        height, width = (side * self.scale for side in tiles.lst.shape[-2:])
        return noise_at(
            [row * self.scale for row in tiles.rows],
            [column * self.scale for column in tiles.columns],
            (height, width),
            seed=self.seed,
            planes=planes,
            device=self.device,
        )


def run_network(
    network: nn.Module, *arguments: Any, seed: int = 0, samples: int = 1, **options: Any
) -> NetworkMethod:
    """Make a method of a network, with draws if its answers are random.

    Args:
        network: Plain, or a ``SamplingNetwork``.
        *arguments: See ``NetworkMethod``.
        seed: Seed of the noise, if there is any.
        samples: Draws whose mean is predicted, if answers are random.
        **options: See ``NetworkMethod``.
    """
    if isinstance(network, SamplingNetwork):
        return SampledNetworkMethod(network, *arguments, seed=seed, samples=samples, **options)
    return NetworkMethod(network, *arguments, **options)


def _check_bands(normalization: Normalization, found: tuple[str, ...]) -> None:
    needed = normalization.band_names
    missing = [name for name in needed if name not in (*found, *derivable(found))]
    if not missing or (normalization.optional_bands and len(missing) < len(needed)):
        return
    wish = "at least one of" if normalization.optional_bands else "all of"
    raise MissingBandsError(
        f"the network needs {wish} {', '.join(needed)}; found {', '.join(found) or 'no guide'}; "
        f"missing {', '.join(missing)}: add --guide {missing[0]}=FILE"
    )
