"""The fusing networks' weights: one safetensors file with plain facts in its header.

Nothing in the file executes. The facts say what the weights were trained on and by which recipe.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from groklst_models.errors import CheckpointError
from groklst_models.fusion_file import KEY
from groklst_models.plain_data import table, whole
from groklst_models.regression.fusion_network import FusionNetwork
from groklst_models.regression.fusion_planes import NUMBERS, PLANES

FORMAT: Final = 1
SHIPPED: Final = "fusion.safetensors"

_MOST: Final = 256  # channels, blocks, networks


@dataclass(frozen=True)
class FusionWeights:
    """Networks of one size whose answers are averaged.

    Attributes:
        networks: Ready to answer.
        facts: Where they come from; free plain data.
    """

    networks: tuple[FusionNetwork, ...]
    facts: Mapping[str, Any]

    @property
    def reach(self) -> int:
        """Fine pixels around one on which an answer depends."""
        return self.networks[0].reach

    def answer(self, planes: Tensor, numbers: Tensor) -> Tensor:
        """Average the networks' corrections ``(B, 1, H, W)``."""
        total = self.networks[0](planes, numbers)
        for network in self.networks[1:]:
            total = total + network(planes, numbers)
        mean: Tensor = total / len(self.networks)
        return mean

    def to(self, device: torch.device) -> Self:
        """Return them on a device."""
        if next(self.networks[0].parameters()).device == device:
            return self
        copies = tuple(_copied(network).to(device) for network in self.networks)
        return type(self)(copies, self.facts)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            CheckpointError: If it holds no such weights, or is damaged.
        """
        try:
            with safe_open(path, framework="pt") as opened:
                header = json.loads((opened.metadata() or {}).get(KEY, "null"))
                found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} does not contain weights of fusion: {error}") from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise CheckpointError(
                f"{path} does not contain weights of fusion in format {FORMAT}; train them again"
            )
        size = {name: whole(header, name, 1, _MOST) for name in ("width", "blocks")}
        networks = []
        for number in range(whole(header, "networks", 1, _MOST)):
            network = FusionNetwork(planes=PLANES, numbers=NUMBERS, **size)
            own = {
                name.removeprefix(f"{number}."): tensor.float()
                for name, tensor in found.items()
                if name.startswith(f"{number}.")
            }
            _check(path, network.state_dict(), own)
            network.load_state_dict(own)
            networks.append(network.eval().requires_grad_(False))
        return cls(tuple(networks), table(header, "facts", {}))

    @staticmethod
    def shipped() -> "FusionWeights":
        """Read those that come with the package."""
        return _shipped()


def save(networks: Sequence[FusionNetwork], facts: Mapping[str, Any], path: Path) -> None:
    """Write networks of one size, in half precision.

    Args:
        networks: At least one.
        facts: Where they come from; free plain data.
        path: The file.
    """
    first = networks[0]
    header = {
        "format": FORMAT,
        "networks": len(networks),
        "width": first.head.out_channels,
        "blocks": len(first.blocks),
        "facts": dict(facts),
    }
    tensors = {
        f"{number}.{name}": tensor.detach().half().contiguous().clone()
        for number, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    save_file(tensors, path, {KEY: json.dumps(header, ensure_ascii=False, sort_keys=True)})


def shipped_file() -> AbstractContextManager[Path]:
    """Return the file that comes with the package, as a context in which it has a path."""
    return as_file(files("groklst_models").joinpath("weights", SHIPPED))


@lru_cache(maxsize=1)
def _shipped() -> FusionWeights:
    with shipped_file() as path:
        return FusionWeights.read(path)


def _check(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for name, tensor in expected.items():
        if name not in found or found[name].shape != tensor.shape:
            raise CheckpointError(f"{path} lacks {name} of shape {tuple(tensor.shape)}")
        if not bool(found[name].isfinite().all()):
            raise CheckpointError(f"{path} is damaged: {name} contains values that are not numbers")


def _copied(network: FusionNetwork) -> FusionNetwork:
    copy = FusionNetwork(
        planes=PLANES,
        numbers=NUMBERS,
        width=network.head.out_channels,
        blocks=len(network.blocks),
    )
    copy.load_state_dict(network.state_dict())
    return copy.eval().requires_grad_(False)
