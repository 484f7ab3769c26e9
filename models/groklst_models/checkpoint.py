"""Checkpoints: one safetensors file with the weights and everything that is needed to use them.

Nothing in the file executes: the header is JSON (see ``header``), the rest are tensors (format of
https://github.com/huggingface/safetensors).
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from groklst_models.blueprint import shapes_of
from groklst_models.errors import CheckpointError
from groklst_models.header import FORMAT, KEY, Header, fingerprint, read_header

__all__ = ["FORMAT", "Checkpoint", "Header", "fingerprint", "load", "read_header", "save"]

_TYPES: Final = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
)  # fmt: skip
"""The types in which weights and counters may be stored."""


@dataclass(frozen=True)
class Checkpoint:
    """A header and its weights."""

    header: Header
    weights: Mapping[str, Tensor]

    def load_network(self) -> nn.Module:
        """Build the network and load the weights.

        Raises:
            CheckpointError: If names or shapes of the weights do not fit the network.
        """
        self.check_shapes()  # before it takes memory
        network = self.header.build_network()
        network.load_state_dict(dict(self.weights))
        return network

    def check(self) -> None:
        """Check everything that a run would use.

        Raises:
            CheckpointError: If the weights do not fit the network, or hold NaN or infinity.
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
        """Check the types and values of the weights.

        Raises:
            CheckpointError: If a weight has a type that networks do not use, or is NaN or infinite.
        """
        for name, tensor in self.weights.items():
            if tensor.dtype not in _TYPES:
                kind = str(tensor.dtype).removeprefix("torch.")
                raise CheckpointError(
                    f"weights {name!r} are stored as {kind}, expected float32 or another real type"
                )
            if not _is_finite(tensor):
                raise CheckpointError(
                    f"weights {name!r} contain NaN or infinity; use the weights of an earlier step"
                )


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint under a temporary name and rename it, so that it is always complete.

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
        save_file(weights, made, metadata={KEY: header})
        made.chmod(mode)  # safetensors makes a file anew that only its owner may read
        _put_in_place(made, path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: If the file is not a checkpoint of groklst, or is damaged.
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


def _is_finite(tensor: Tensor) -> bool:
    """Return whether all values are finite, in one pass without another tensor."""
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor.detach()))


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy weights that share memory, because a file cannot store shared memory."""
    places: set[int] = set()
    apart = {}
    for name, weight in weights.items():
        held = weight.detach().cpu().contiguous()
        place = held.untyped_storage().data_ptr()
        apart[name] = held.clone() if place in places else held
        places.add(place)
    return apart


def _difference(
    network: str, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> str:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    other = sorted(k for k in expected.keys() & found.keys() if expected[k] != found[k])
    parts = [f"the weights do not fit {network}"]
    if missing:
        parts.append(f"{len(missing)} missing, such as {missing[0]}")
    if extra:
        parts.append(f"{len(extra)} unknown, such as {extra[0]}")
    if other:
        name = other[0]
        parts.append(
            f"{len(other)} of another shape, such as {name}: {found[name]} instead of "
            f"{expected[name]}"
        )
    return "; ".join(parts)


def _put_in_place(made: Path, path: Path) -> None:
    """Give a finished file its name so that both survive a power cut.

    This package does not depend on the command line, whose ``geo/durable.py`` does the same.
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
