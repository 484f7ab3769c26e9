"""Convert the tensors of a published network to ours, for any width and depth.

A table lists, for each of our tensors, the published tensors that fill it. So none of ours is
filled twice or missed, and all other tensors of a file must be listed as idle.

In a pattern of our keys ``*`` stands for an index. In the published key beside it the indices come
again in the same order, each as ``*`` or, where it is counted otherwise, as arithmetic on it:
``<i+1>``, ``<i//2>``, ``<i//2-1>``, from left to right. What names a layer is good for its
``weight``, its ``bias`` and what it counts of batches. Of several patterns that fit a key the first
counts.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from typing import Final

import torch
from torch import Tensor

from groklst_models.errors import CheckpointError

Step = Callable[[Tensor], Tensor]


def _alone(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True)
class Source:
    """The source of one of our tensors.

    Attributes:
        keys: Published keys; empty for a tensor that the published network does not have, which is
            zero.
        join: Makes one tensor of all.
        steps: Turn it into our layout, in order.
    """

    keys: tuple[str, ...]
    join: Callable[..., Tensor] = _alone
    steps: tuple[Step, ...] = ()

    def made(self, tensors: Mapping[str, Tensor], shape: tuple[int, ...]) -> Tensor:
        """Make our tensor.

        Raises:
            CheckpointError: If the published tensors do not give this shape.
        """
        if not self.keys:
            return torch.zeros(shape)
        given = [tensors[key] for key in self.keys]
        said, found = f"tensor {self.keys[0]!r}", tuple(given[0].shape)
        try:
            made = reduce(lambda tensor, step: step(tensor), self.steps, self.join(*given))
            if tuple(made.shape) == shape:
                return made
        except CheckpointError as error:
            raise CheckpointError(f"{said} {error}") from error
        except (ValueError, RuntimeError, IndexError):
            pass  # the step was not made for such a shape
        raise CheckpointError(f"{said} has shape {found}, which cannot become {shape}")


Fills = Mapping[str, str | Source]
"""Of patterns of our keys: the published key, or what is made of several or in steps."""

ZERO: Final = Source(())
"""Marks tensors that the published network does not have."""


def turned(key: str, *steps: Step) -> Source:
    """Describe a tensor that has another layout in ours."""
    return Source((key,), steps=steps)


def made_of(join: Callable[..., Tensor], *keys: str) -> Source:
    """Describe a tensor that is made of several published ones."""
    return Source(keys, join)


def within(ours: str, published: str, fills: Fills) -> dict[str, str | Source]:
    """Put what fills a part of a network below the part's own names; an empty name adds nothing."""
    outer, inner = (f"{name}." if name else "" for name in (ours, published))
    return {
        f"{outer}{pattern}": _renamed(source, lambda key: f"{inner}{key}")
        for pattern, source in fills.items()
    }


@dataclass(frozen=True)
class Published:
    """A published network at some sizes.

    Attributes:
        code: The repository whose keys these are.
        fills: What fills each of ours.
        idle: Patterns of published keys that are not used: ``*`` for an index, ``**`` for anything.
        differs: What ours computes differently, as a clause; empty if it computes the same.
        note: A remark on results that differ only at borders or by rounding.
        stand_ins: Of layers that some versions of the code have and others not: the one that does
            their work there.
    """

    code: str
    fills: Fills
    idle: tuple[str, ...] = ()
    differs: str = ""
    note: str = ""
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    def sources(self, ours: Iterable[str]) -> dict[str, Source]:
        """Return the source of each of our tensors.

        Raises:
            CheckpointError: If the table lacks one.
        """
        found: dict[str, Source] = {}
        for name in ours:
            source = self._source(name)
            if source is None:
                raise CheckpointError(f"the network published in {self.code} has no {name}")
            found[name] = source
        return found

    def is_idle(self, key: str) -> bool:
        """Tell whether nothing depends on the published tensor of this key."""
        return any(_regex(pattern).fullmatch(key) for pattern in self.idle)

    def weights(
        self, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, Tensor]:
        """Make our weights.

        Args:
            tensors: The published tensors, by key.
            shapes: The shapes of all our tensors.

        Raises:
            CheckpointError: If a tensor is missing, unknown or of another shape.
        """
        sources = self.sources(shapes)
        used = dict.fromkeys(key for source in sources.values() for key in source.keys)
        tensors = {**self._stand_ins(used, tensors), **tensors}
        missing = [key for key in used if key not in tensors]
        unknown = [key for key in tensors if key not in used and not self.is_idle(key)]
        if missing or unknown:
            lacks = f"it lacks {len(missing)} tensors, such as {missing[0]!r}" if missing else ""
            holds = (
                (f"it has {len(unknown)} unknown tensors, such as {unknown[0]!r}")
                if unknown
                else ""
            )
            raise CheckpointError("; ".join(filter(None, (lacks, holds))))
        return {name: source.made(tensors, shapes[name]) for name, source in sources.items()}

    def _stand_ins(self, used: Iterable[str], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take tensors of the layers that stand in for those that the file lacks."""
        found = {}
        for key in used:
            layer, _, leaf = key.rpartition(".")
            stand_in = f"{self.stand_ins.get(layer)}.{leaf}"
            if key not in tensors and stand_in in tensors:
                found[key] = tensors[stand_in]
        return found

    def _source(self, name: str) -> Source | None:
        for pattern, source in self.fills.items():
            match = _regex(pattern).fullmatch(name)
            if match is not None:
                *indices, leaf = match.groups(default="")
                return _numbered(source, indices, leaf)
        return None


def _numbered(source: str | Source, indices: list[str], leaf: str) -> Source:
    return _renamed(source, lambda key: _written(key, indices) + leaf)


def _renamed(source: str | Source, rename: Callable[[str], str]) -> Source:
    if isinstance(source, str):
        source = Source((source,))
    return replace(source, keys=tuple(map(rename, source.keys)))


_LEAF: Final = r"(\.(?:weight|bias|running_mean|running_var|num_batches_tracked))?"
"""What a layer may hold, also one that normalizes batches."""


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """Turn a pattern into an expression; its last group is the leaf of a layer."""
    signs = {"*": r"(\d+)", "**": r".*"}
    parts = [signs.get(part) or re.escape(part) for part in re.split(r"(\*{1,2})", pattern)]
    return re.compile("".join(parts) + _LEAF)


def _written(key: str, indices: list[str]) -> str:
    """Write a published key with the indices of ours."""
    left = iter(indices)
    written = re.sub(r"\*|<i([^>]*)>", lambda sign: _counted(int(next(left)), sign[1] or ""), key)
    if next(left, None) is not None:
        raise ValueError(f"{key} has fewer indices than ours")
    return written


def _counted(index: int, arithmetic: str) -> str:
    for sign, number in re.findall(r"(//|[+*-])(\d+)", arithmetic):
        match sign:
            case "+":
                index += int(number)
            case "-":
                index -= int(number)
            case "*":
                index *= int(number)
            case "//":
                index //= int(number)
    return str(index)
