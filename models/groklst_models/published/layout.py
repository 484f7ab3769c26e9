"""Steps that turn a published tensor into the layout of ours.

A step is a value that is called with a tensor. Where the tensor is not of the shape that a step
expects, the call ends in a ValueError or a RuntimeError.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from groklst_models.errors import CheckpointError


@dataclass(frozen=True)
class Arranged:
    """Takes axes apart, orders them anew and puts them together.

    Attributes:
        pattern: Axes before and after, as in ``o (n c) ... -> o (c n) ...``: parentheses hold what
            one axis is made of, ``1`` is an axis of size one, ``...`` all axes that are not named.
        sizes: Of named axes; one in each pair of parentheses need not be told.
    """

    pattern: str
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the tensor in the new arrangement."""
        left, right = (side.strip() for side in self.pattern.split("->"))
        rest = [f"axis {n}" for n in range(tensor.ndim - len(_axes(left, ["..."])) + 1)]
        before, after = _axes(left, rest), _axes(right, rest)
        sizes = dict(self.sizes)
        for names, size in zip(before, tensor.shape, strict=True):
            _split(names, size, sizes)
        names = [name for axis in before for name in axis]
        apart = tensor.reshape([sizes[name] for name in names])
        ordered = apart.permute([names.index(name) for axis in after for name in axis])
        return ordered.reshape([math.prod(sizes[name] for name in axis) for axis in after])


def arranged(pattern: str, **sizes: int) -> Arranged:
    """Write a step of this kind in one line."""
    return Arranged(pattern, sizes)


def _axes(side: str, rest: list[str]) -> list[list[str]]:
    """List for each axis of one side of a pattern what it is made of."""
    axes: list[list[str]] = []
    for word in re.findall(r"\([^)]*\)|\S+", side):
        if word == "...":
            axes += [[name] for name in rest]
        else:
            axes.append([] if word == "1" else word.strip("()").split())
    return axes


def _split(names: list[str], size: int, sizes: dict[str, int]) -> None:
    """Fill in the one size that is not known of those that make an axis."""
    known = math.prod(sizes[name] for name in names if name in sizes)
    free = [name for name in names if name not in sizes]
    if free:
        sizes[free[0]], left_over = divmod(size, known)
        if left_over:
            raise ValueError(f"{size} is not a multiple of {known}")
    elif size != known:
        raise ValueError(f"{size} instead of {known}")


@dataclass(frozen=True)
class Backwards:
    """Turns the order along an axis round, cell by cell or part by part.

    Attributes:
        axis: Which one.
        size: How many cells make a part, which stays as it is.
    """

    axis: int
    size: int = 1

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the tensor in the other order."""
        parts = torch.unflatten(tensor, self.axis, (-1, self.size))
        return parts.flip(self.axis).flatten(self.axis, self.axis + 1)


@dataclass(frozen=True)
class Part:
    """Takes one of several equal parts of the first axis.

    Attributes:
        place: Which one, from 0.
        of: How many there are.
    """

    place: int
    of: int

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the part."""
        return torch.unflatten(tensor, 0, (self.of, -1))[self.place]


@dataclass(frozen=True)
class First:
    """Takes the first cells along an axis: those behind are of what is always masked.

    Attributes:
        axis: Which one.
        size: How many cells.
    """

    axis: int
    size: int

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the cells."""
        return tensor.narrow(self.axis, 0, self.size)


@dataclass(frozen=True)
class Widened:
    """Adds zeros at the end of an axis: for what the published network does not look at.

    Attributes:
        axis: Which one.
        size: How long it becomes; a longer one stays as it is.
    """

    axis: int
    size: int

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the longer tensor."""
        shape = list(tensor.shape)
        shape[self.axis] = max(0, self.size - shape[self.axis])
        return torch.cat([tensor, tensor.new_zeros(shape)], self.axis)


@dataclass(frozen=True)
class Spread:
    """Turns weights that see the mean of all bands into weights that see each.

    Attributes:
        axis: Along which the bands come; a longer one stays as it is.
        bands: How many there are.
    """

    axis: int
    bands: int

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return weights for each band."""
        if tensor.shape[self.axis] > 1:
            return tensor
        return tensor.repeat_interleave(self.bands, self.axis) / self.bands


@dataclass(frozen=True)
class Plus:
    """Adds a number to each cell of a vector.

    Attributes:
        numbers: One for each cell.
    """

    numbers: tuple[float, ...]

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the sum."""
        return tensor + torch.tensor(self.numbers).to(tensor).view(tensor.shape)


@dataclass(frozen=True)
class NotNegative:
    """Lets a tensor pass whose values are all zero or more.

    Attributes:
        why: What would happen with a negative one.
    """

    why: str

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the tensor.

        Raises:
            CheckpointError: If a value is negative.
        """
        if bool((tensor < 0).any()):
            raise CheckpointError(f"holds a negative value, and {self.why}")
        return tensor


@dataclass(frozen=True)
class Joined:
    """Puts several tensors one behind the other.

    Attributes:
        axis: Along which axis.
    """

    axis: int = 0

    def __call__(self, *tensors: Tensor) -> Tensor:
        """Return them as one."""
        return torch.cat(tensors, self.axis)
