"""Weights and inputs made by rule, so that a reference is its answer and a table of keys.

``numbers/NAME.json`` says how a published network was built and fed, and which tensors its state
dict holds; ``numbers/NAME.npy`` is what the published code answered. No weights are stored: the
values of a tensor are SplitMix64's numbers from the CRC-32 of the published key. Where a tensor
stands in ours is told by ``groklst_models.published``. Tensors that differ in numbers of their keys
only share a row, which lists the numbers for each `{}`.
"""

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from groklst_models.normalization import GROKLST_BAND_NAMES
from groklst_models.registry import build
from groklst_models.toolkit import import_toolkit, published_form

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
    """

    key: str
    shape: list[int]
    fill: str

    @classmethod
    def each(cls, row: list[Any]) -> Iterator[Self]:
        """Read a row: one tensor, or one for each choice of numbers for the braces of its key."""
        key, shape, fill, *numbers = row
        for name in names(key, numbers):
            yield cls(name, list(shape), fill)

    def value(self, gain: float) -> Tensor:
        """Make it."""
        numbers = unit(self.key, self.shape)
        made = {
            "weight": lambda: gain * numbers / math.sqrt(math.prod(self.shape[1:])),
            "bias": lambda: 0.01 * numbers,
            "slope": lambda: 0.01 * numbers + [1, 0],
            "norm": lambda: 1 + 0.1 * numbers,
            "prelu": lambda: np.full(self.shape, 0.25),
            "half": lambda: 0.5 * numbers,
            "scalar": lambda: 0.5 * numbers,
            "threshold": lambda: 0.05 * np.abs(numbers),
            "kernel_scale": lambda: 4.5 + 0.5 * numbers,
            "one": lambda: np.ones(self.shape),
            "zero": lambda: np.zeros(self.shape),
            "identity": lambda: np.eye(self.shape[0]),
        }
        return torch.from_numpy(np.asarray(made[self.fill]())).float()


def names(key: str, numbers: list[list[int]]) -> Iterator[str]:
    """Write a key with each choice of numbers for its braces."""
    for chosen in product(*numbers):
        yield key.format(*chosen)


@dataclass(frozen=True)
class Reference:
    """What a published network answers.

    Attributes:
        network: Our key for it.
        arguments: Of our constructor.
        gain: Factor of all weights.
        inputs: Keys and shapes of what it was fed.
        entries: Its tensors that the answer depends on.
        answer: What it said.
        idle: Keys of its tensors that the answer does not depend on.
    """

    network: str
    arguments: dict[str, Any]
    gain: float
    inputs: dict[str, list[int]]
    entries: list[Entry]
    answer: NDArray[np.float32]
    idle: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, name: str) -> Self:
        """Read the numbers of a name."""
        told = json.loads((NUMBERS / f"{name}.json").read_text(encoding="utf-8"))
        rows = (row if isinstance(row, list) else [row] for row in told.pop("idle", []))
        entries = [entry for row in told.pop("tensors") for entry in Entry.each(row)]
        return cls(
            **told,
            entries=entries,
            answer=np.load(NUMBERS / f"{name}.npy"),
            idle=[key for row in rows for key in names(row[0], row[1:])],
        )

    def published(self) -> dict[str, Tensor]:
        """Make the published state dict."""
        idle = {key: torch.full([1], torch.nan) for key in self.idle}
        return {**{entry.key: entry.value(self.gain) for entry in self.entries}, **idle}

    def imported(self, path: Path, *, prefix: str = "") -> nn.Module:
        """Save the state dict as the published code does, import the file, and load our network."""
        torch.save({f"{prefix}{key}": value for key, value in self.published().items()}, path)
        scale, bands, sizes = self.sizes()
        checkpoint = import_toolkit(
            path,
            network=self.network,
            scale=scale,
            bands=bands,
            arguments=sizes,
            accept_differences=True,
        )
        return checkpoint.load_network().eval()

    def built(self) -> nn.Module:
        """Build our network and fill it without a file."""
        network: nn.Module = build(self.network, **self.arguments).eval()
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        published = published_form(self.network, **self.arguments)
        network.load_state_dict(published.weights(self.published(), shapes))
        return network

    def sizes(self) -> tuple[int, tuple[str, ...], dict[str, Any]]:
        """Tell scale, bands and other arguments apart."""
        sizes = dict(self.arguments)
        scale, channels = sizes.pop("scale"), sizes.pop("guide_channels", 0)
        return scale, GROKLST_BAND_NAMES[:channels], sizes

    def difference(self, network: nn.Module) -> float:
        """Return a network's largest difference, in standard deviations of the answer."""
        fed = [torch.from_numpy(unit(key, shape)).float() for key, shape in self.inputs.items()]
        with torch.inference_mode():
            ours = network(*fed).numpy().astype(np.float64)
        assert ours.shape == self.answer.shape
        return float(np.abs(ours - self.answer).max() / self.answer.std(dtype=np.float64))
