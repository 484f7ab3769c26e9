"""A network and its normalization, run as a method: kelvin in, kelvin out."""

from typing import Final, Literal

import torch
from torch import Tensor, nn

from groklst_models.bands import derivable, derive_known
from groklst_models.contract import Tiles
from groklst_models.errors import MissingBandsError
from groklst_models.inputs import network_inputs
from groklst_models.normalization import Normalization
from groklst_models.padding import run_padded

Precision = Literal["fp32", "bf16", "fp16"]
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
        """Bring a network to its device.

        Args:
            network: Takes standardised ``(lst, guide)``, or ``(lst)`` alone.
            normalization: What it was trained with.
            scale: Fine pixels along a coarse one.
            bands: Names of the guidance bands that tiles will hold.
            device: Where to run.
            precision: Of the arithmetic; results are float32 always.

        Raises:
            MissingBandsError: If a band of the network is neither there nor derivable; if none
                is, where the network was trained to go without.
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
        guide = None
        if self.uses_guide:
            assert tiles.guide is not None
            wanted = self.normalization.band_names
            guide = derive_known(self._brought(tiles.guide), self._bands, wanted)
        lst = self._brought(tiles.lst)
        inputs = network_inputs(self.normalization, lst, guide, self.scale)
        with torch.inference_mode(), self._autocast():
            fine = run_padded(self.network, inputs.lst, inputs.guide, self.scale).float()
        return inputs.restore(fine).cpu()

    def _brought(self, values: Tensor) -> Tensor:
        """Bring a tensor to the device; to a GPU without making the processor wait."""
        if self.device.type != "cuda":
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type,
            dtype=_DTYPES.get(self._precision, torch.bfloat16),
            enabled=self._precision != "fp32",
        )


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
