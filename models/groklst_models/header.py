"""The header of a checkpoint, which is read without the weights.

It is JSON under the safetensors metadata key ``groklst``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from safetensors import SafetensorError, safe_open

from groklst_models.errors import CheckpointError, ModelsError
from groklst_models.normalization import Normalization
from groklst_models.plain_data import flag, table, text, whole
from groklst_models.registry import build, find

if TYPE_CHECKING:  # headers are also read where torch is not imported
    from torch import nn

FORMAT: Final = 1
KEY: Final = "groklst"
_LARGEST_TILE: Final = 2**20  # fine pixels
_LARGEST_ARGUMENT: Final = 65536


@dataclass(frozen=True)
class Header:
    """The header of a checkpoint.

    Attributes:
        network: The method's key in the registry.
        arguments: Keywords its network is built with, ``scale`` and ``guide_channels`` left out.
        scale: Fine pixels along a coarse pixel.
        normalization: Means, standard deviations and names of the bands it was trained with.
        tile: Side of the tiles it was trained on, fine pixels.
        conserve: Whether it was trained for conservation of the coarse values afterwards.
        training: Provenance of the weights: data, steps, options, versions; free plain data.
        scores: Scores of the weights by name; free plain data.
        licence: An SPDX expression or a sentence.
    """

    network: str
    scale: int
    normalization: Normalization
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tile: int = 512
    conserve: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "not stated"

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "format": FORMAT,
            "network": self.network,
            "arguments": dict(self.arguments),
            "scale": self.scale,
            "normalization": self.normalization.to_json(),
            "tile": self.tile,
            "conserve": self.conserve,
            "training": dict(self.training),
            "scores": dict(self.scores),
            "licence": self.licence,
        }

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read and check what ``to_json`` wrote.

        Raises:
            CheckpointError: If it has another format, or a value is missing or not valid.
        """
        if not isinstance(data, dict) or not isinstance(data.get("format"), int):
            raise CheckpointError("its header is not a groklst header")
        if data["format"] != FORMAT:
            raise CheckpointError(
                f"its format is {data['format']}, this version reads {FORMAT}; upgrade groklst"
            )
        header = cls(
            network=text(data, "network"),
            scale=whole(data, "scale", 2, 64),
            normalization=Normalization.from_json(table(data, "normalization")),
            arguments=table(data, "arguments"),
            tile=whole(data, "tile", 2, _LARGEST_TILE),
            conserve=flag(data, "conserve"),
            training=table(data, "training", {}),
            scores=table(data, "scores", {}),
            licence=text(data, "licence", "not stated"),
        )
        _refuse_large("arguments", header.arguments)
        if header.tile < header.scale or header.tile % header.scale:
            raise CheckpointError(
                f"its tile is {header.tile} fine pixels, which is not a multiple of scale "
                f"{header.scale}"
            )
        return header

    def build_network(self) -> "nn.Module":
        """Build the network without its weights.

        Raises:
            CheckpointError: If it does not name a network, or the network refuses its arguments.
        """
        try:
            if not find(self.network).needs_weights:
                raise CheckpointError(f"its method {self.network!r} takes no weights")
            shape: dict[str, int] = {"scale": self.scale}
            if find(self.network).shelf == "guided":
                shape["guide_channels"] = self.normalization.guide_channels
            network: nn.Module = build(self.network, **{**self.arguments, **shape})
        except CheckpointError:
            raise
        except ModelsError as error:
            raise CheckpointError(str(error)) from error
        return network


def read_header(path: Path) -> Header:
    """Read the header of a checkpoint, without its weights.

    Raises:
        CheckpointError: If the file is not a checkpoint of groklst.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error
    if KEY not in metadata:
        raise CheckpointError(
            f"{path} has no groklst header; convert a file from the GrokLST toolkit with: groklst "
            "import TOOLKIT.pth OUT.safetensors --model NAME --scale N"
        )
    try:
        return Header.from_json(json.loads(metadata[KEY]))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, lists too deep
        raise CheckpointError(f"{path}: its header is not JSON: {error}") from error


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _refuse_large(name: str, value: Any) -> None:
    """Refuse numbers that are too large for any network; building one could take for ever."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            _refuse_large(f"{name}.{key}", held)
    elif isinstance(value, list | tuple):
        for held in value:
            _refuse_large(name, held)
    elif isinstance(value, int | float) and not abs(value) <= _LARGEST_ARGUMENT:
        raise CheckpointError(f"its {name} contain {value}, more than {_LARGEST_ARGUMENT}")
