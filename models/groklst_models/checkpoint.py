"""Checkpoints: one safetensors file with the weights, and all that is needed to use them.

Nothing in the file executes: the header is JSON under the safetensors metadata key ``groklst``, the
rest are tensors (format of https://github.com/huggingface/safetensors).
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from groklst_models.blueprint import shapes_of
from groklst_models.errors import CheckpointError, ModelsError
from groklst_models.normalization import Normalization
from groklst_models.plain_data import flag, table, text, whole
from groklst_models.registry import build, find

FORMAT: Final = 1
_KEY: Final = "groklst"
_LARGEST_TILE: Final = 2**20  # fine pixels
_LARGEST_ARGUMENT: Final = 65536
_TYPES: Final = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
)  # fmt: skip
"""What weights and what a network counts may be stored as."""


@dataclass(frozen=True)
class Header:
    """What a checkpoint says about its weights.

    Attributes:
        network: The method's key in the registry.
        arguments: Keywords its network is built with, ``scale`` and ``guide_channels`` left out.
        scale: Fine pixels along a coarse one.
        normalization: Means, standard deviations and names of the bands it was trained with.
        tile: Side of the tiles it was trained on, fine pixels.
        conserve: Whether it was trained to have its coarse means restored afterwards.
        training: Where the weights come from: data, steps, options, versions; free plain data.
        scores: What was measured with them, by name of the score; free plain data.
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
            CheckpointError: If it is of another format, or something is missing or impossible.
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
                f"its tile is {header.tile} fine pixels, not a multiple of scale {header.scale}"
            )
        return header

    def build_network(self) -> nn.Module:
        """Build the network without its weights.

        Raises:
            CheckpointError: If it names no network, or one that refuses its arguments.
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


@dataclass(frozen=True)
class Checkpoint:
    """A header and the weights it speaks of."""

    header: Header
    weights: Mapping[str, Tensor]

    def load_network(self) -> nn.Module:
        """Build the network and give it the weights.

        Raises:
            CheckpointError: If names or shapes of the weights are not the network's.
        """
        self.check_shapes()  # before it takes memory
        network = self.header.build_network()
        network.load_state_dict(dict(self.weights))
        return network

    def check(self) -> None:
        """Look at everything that a run would meet.

        Raises:
            CheckpointError: If weights are not the network's, or not numbers that it can hold.
        """
        self.check_shapes()
        self.check_values()

    def check_shapes(self) -> None:
        """Compare the weights' names and shapes with those of the network.

        Raises:
            CheckpointError: If they differ, or the network cannot be built.
        """
        found = {name: tuple(tensor.shape) for name, tensor in self.weights.items()}
        expected = shapes_of(self.header.build_network, len(found))
        if expected != found:
            raise CheckpointError(_difference(self.header.network, expected, found))

    def check_values(self) -> None:
        """Look at the weights' types and values.

        Raises:
            CheckpointError: If a weight is of a type that no network has, NaN or infinite.
        """
        for name, tensor in self.weights.items():
            if tensor.dtype not in _TYPES:
                kind = str(tensor.dtype).removeprefix("torch.")
                raise CheckpointError(
                    f"weights {name!r} are stored as {kind}, expected float32 or another real type"
                )
            if not _is_finite(tensor):
                raise CheckpointError(
                    f"weights {name!r} hold NaN or infinity; take those of an earlier step"
                )


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint beside its place and rename it, so that a file of that name is whole.

    Raises:
        CheckpointError: If the header is not plain data.
    """
    try:
        header = json.dumps(checkpoint.header.to_json(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the header is not plain data: {error}") from error
    weights = _apart(checkpoint.weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
    made.touch(exist_ok=False)
    mode = made.stat().st_mode
    try:
        save_file(weights, made, metadata={_KEY: header})
        made.chmod(mode)  # safetensors makes a file anew that only its owner may read
        _put_in_place(made, path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def read_header(path: Path) -> Header:
    """Read what a checkpoint says, without its weights.

    Raises:
        CheckpointError: If the file is not a checkpoint of ours.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error
    if _KEY not in metadata:
        raise CheckpointError(
            f"{path} has no groklst header; a file from the GrokLST toolkit becomes a checkpoint "
            "with: groklst import TOOLKIT.pth OUT.safetensors --model NAME --scale N"
        )
    try:
        return Header.from_json(json.loads(metadata[_KEY]))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, lists too deep
        raise CheckpointError(f"{path}: its header is not JSON: {error}") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: If the file is not a checkpoint of ours, or is damaged.
    """
    header = read_header(path)
    try:
        with safe_open(path, framework="pt") as opened:
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, AttributeError, KeyError) as error:  # types torch lacks
        raise CheckpointError(f"{path} is damaged: {error}") from error
    checkpoint = Checkpoint(header, weights)
    try:
        checkpoint.check_values()
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return checkpoint


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _is_finite(tensor: Tensor) -> bool:
    """Tell whether all values are finite, in one pass that makes no other tensor."""
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor.detach()))


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Lay weights out for a file, where none may share memory with another."""
    places: set[int] = set()
    apart = {}
    for name, weight in weights.items():
        held = weight.detach().cpu().contiguous()
        place = held.untyped_storage().data_ptr()
        apart[name] = held.clone() if place in places else held
        places.add(place)
    return apart


def _refuse_large(name: str, value: Any) -> None:
    """Refuse numbers that no network is built with: some would be counted up to, one by one."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            _refuse_large(f"{name}.{key}", held)
    elif isinstance(value, list | tuple):
        for held in value:
            _refuse_large(name, held)
    elif isinstance(value, int | float) and not abs(value) <= _LARGEST_ARGUMENT:
        raise CheckpointError(f"its {name} hold {value}, more than {_LARGEST_ARGUMENT}")


def _difference(
    network: str, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> str:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    other = sorted(k for k in expected.keys() & found.keys() if expected[k] != found[k])
    parts = [f"the weights do not fit {network}"]
    if missing:
        parts.append(f"{len(missing)} missing, as {missing[0]}")
    if extra:
        parts.append(f"{len(extra)} unknown, as {extra[0]}")
    if other:
        name = other[0]
        parts.append(
            f"{len(other)} of other shape, as {name}: {found[name]} instead of {expected[name]}"
        )
    return "; ".join(parts)


def _put_in_place(made: Path, path: Path) -> None:
    """Give a finished file its name so that both outlast a power cut.

    Networks stand without the command line, whose ``geo/durable.py`` does this for its files.
    """
    with open(made, "rb+") as written:
        os.fsync(written.fileno())
    os.replace(made, path)
    if os.name == "nt":
        return  # Windows cannot open a folder
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
