"""Weights and inputs made by rule, so that a reference is its answer and a table of keys.

``numbers/NAME.json`` says how a published network was built and fed, and where each tensor of its
state dict stands in ours; ``numbers/NAME.npy`` is what the published code answered. No weights are
stored: the values of a tensor are SplitMix64's numbers from the CRC-32 of the published key.
"""

import json
import math
import zlib
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from groklst_models.registry import build

NUMBERS = Path(__file__).with_name("numbers")


def unit(key: str, shape: list[int]) -> NDArray[np.float64]:
    """Draw numbers of variance one, always the same for a key."""
    x = np.uint64(zlib.crc32(key.encode()))
    with np.errstate(over="ignore"):
        x = x + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    numbers = (2 * ((x >> np.uint64(40)).astype(np.float64) / 2**24) - 1) * math.sqrt(3)
    return numbers.reshape(shape)


@dataclass(frozen=True)
class Entry:
    """A tensor of the published network.

    Attributes:
        key: Its key there.
        shape: Its shape there.
        fill: The kind of value.
        ours: Our key.
        how: Steps that turn its layout into ours, in order.
        at: Axis and start of the part of our tensor that it fills; None for all of it.
    """

    key: str
    shape: list[int]
    fill: str
    ours: str
    how: list[list[Any]]
    at: list[int] | None

    def value(self, gain: float) -> Tensor:
        """Make it in our layout."""
        made = torch.from_numpy(np.asarray(self._published(gain))).float()
        return reduce(_turned, self.how, made)

    def _published(self, gain: float) -> NDArray[np.float64]:
        if self.fill == "identity":
            return np.eye(self.shape[0])
        if self.fill == "invertible":
            return _invertible(self.key, self.shape[0], gain)
        numbers = unit(self.key, self.shape)
        made = {
            "weight": lambda: gain * numbers / math.sqrt(math.prod(self.shape[1:])),
            "bias": lambda: 0.01 * numbers,
            "norm": lambda: 1 + 0.1 * numbers,
            "prelu": lambda: np.full(self.shape, 0.25),
            "half": lambda: 0.5 * numbers,
            "scalar": lambda: 0.5 * numbers,
            "threshold": lambda: 0.05 * np.abs(numbers),
            "kernel_scale": lambda: 4.5 + 0.5 * numbers,
            "one": lambda: np.ones(self.shape),
        }
        return made[self.fill]()


@dataclass(frozen=True)
class Reference:
    """What a published network answers.

    Attributes:
        network: Our key for it.
        arguments: Of our constructor.
        gain: Factor of all weights.
        inputs: Keys and shapes of what it was fed.
        entries: Its tensors.
        zeros: Tensors of ours that it lacks, which are 0.
        answer: What it said.
    """

    network: str
    arguments: dict[str, Any]
    gain: float
    inputs: dict[str, list[int]]
    entries: list[Entry]
    zeros: list[str]
    answer: NDArray[np.float32]

    @classmethod
    def read(cls, name: str) -> Self:
        """Read the numbers of a name.

        A row of the table is an entry. Where numbers of its keys are left open, as braces, the
        row ends in a list of those that stand there, and is an entry for each.
        """
        told = json.loads((NUMBERS / f"{name}.json").read_text(encoding="utf-8"))
        entries = [
            Entry(key.format(*places), shape, fill, ours.format(*places), how, at)
            for key, shape, fill, ours, how, at, *repeats in told.pop("tensors")
            for places in (repeats[0] if repeats else [[]])
        ]
        return cls(**told, entries=entries, answer=np.load(NUMBERS / f"{name}.npy"))

    def built(self) -> nn.Module:
        """Build our network with the published tensors; each of ours must be filled."""
        network: nn.Module = build(self.network, **self.arguments).eval()
        state = {
            key: torch.full_like(value, torch.nan) for key, value in network.state_dict().items()
        }
        for key in self.zeros:
            state[key].zero_()
        for entry in self.entries:
            target = state[entry.ours]
            value = entry.value(self.gain)
            if entry.at is not None:
                axis, start = entry.at
                target = target.narrow(axis, start, value.shape[axis])
            assert target.shape == value.shape, entry
            target.copy_(value)
        empty = [key for key, value in state.items() if value.isnan().any()]
        assert not empty, f"nothing fills {empty}"
        network.load_state_dict(state)
        return network

    def difference(self) -> float:
        """Return the largest difference of ours, in standard deviations of the answer."""
        fed = [torch.from_numpy(unit(key, shape)).float() for key, shape in self.inputs.items()]
        with torch.inference_mode():
            ours = self.built()(*fed).numpy().astype(np.float64)
        assert ours.shape == self.answer.shape
        return float(np.abs(ours - self.answer).max() / self.answer.std(dtype=np.float64))


def _invertible(key: str, size: int, gain: float) -> NDArray[np.float64]:
    """Multiply out the triangular factors that a published invertible convolution keeps."""
    lower, upper = (
        gain * unit(f"{key}.{part}", [size, size]) / math.sqrt(size) for part in ("l", "u")
    )
    diagonal = np.diag(np.exp(0.5 * unit(f"{key}.log_s", [size])))
    return (np.tril(lower, -1) + np.eye(size)) @ (np.triu(upper, 1) + diagonal)


def _turned(tensor: Tensor, step: list[Any]) -> Tensor:
    name, *arguments = step
    if name == "part":
        place, parts = arguments[0]
        return tensor.chunk(parts, dim=0)[place]
    if name == "reshape":
        return tensor.reshape(arguments[0])
    if name == "permute":
        return tensor.permute(arguments[0])
    if name == "flip":
        return tensor.flip(arguments[0])
    if name == "roll":
        return tensor.roll(arguments[1], arguments[0])
    if name == "take":
        return tensor.index_select(arguments[0], torch.tensor(arguments[1]))
    if name == "reciprocal":
        return 1 / tensor
    if name == "times":
        return tensor * arguments[0]
    raise ValueError(f"there is no step {name}")
