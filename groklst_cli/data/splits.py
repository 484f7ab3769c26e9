"""Split scenes by place: no pixel is in two splits, and splits are at least a patch apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from groklst_cli.data.patches import SPLITS, Split

SHARES: Final[Mapping[Split, float]] = {"train": 0.7, "val": 0.15, "test": 0.15}
"""Share of a scene in each split."""

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(frozen=True)
class Part:
    """The part of a scene's longer side that belongs to a split.

    Attributes:
        split: The set.
        start: First pixel.
        stop: One past the last.
    """

    split: Split
    start: int
    stop: int


def cut(length: int, patch: int, sets: Sequence[Split]) -> tuple[Part, ...]:
    """Divide a scene's side into splits that are a patch apart.

    Args:
        length: The side, any pixels.
        patch: Side of a patch, the same pixels.
        sets: The sets to make, in the order of their places.

    Returns:
        A part for each split, each at least a patch long.

    Raises:
        ValueError: If the side is too short.
    """
    usable = length - patch * (len(sets) - 1)
    if usable < patch * len(sets):
        raise ValueError(
            f"dividing it into {', '.join(sets)} with a patch between them takes "
            f"{patch * (2 * len(sets) - 1)} pixels"
        )
    total = sum(SHARES[name] for name in sets)
    sizes = [max(patch, int(usable * SHARES[name] / total)) for name in sets]
    largest = max(range(len(sets)), key=sizes.__getitem__)
    sizes[largest] += usable - sum(sizes)
    parts, start = [], 0
    for name, size in zip(sets, sizes, strict=True):
        parts.append(Part(name, start, start + size))
        start += size + patch
    return tuple(parts)


def starts(start: int, stop: int, patch: int) -> list[int]:
    """Place patches next to each other; the last one is moved back to end with the part."""
    places = list(range(start, max(start + 1, stop - patch + 1), patch))
    last = max(start, stop - patch)
    return places if places[-1] == last else [*places, last]


def too_near(split: Split, bounds: Bounds, others: Sequence[tuple[Split, Bounds]]) -> bool:
    """Return whether a patch is less than a patch away from one that is held out from its split.

    Test patches are always kept; validation patches are dropped near test patches, and training
    patches near both.

    Args:
        split: The patch's set.
        bounds: Where it lies; any units, the same for all.
        others: Sets and places of other scenes' patches.
    """
    rank = SPLITS.index(split)
    left, bottom, right, top = bounds
    wide, high = right - left, top - bottom
    return any(
        SPLITS.index(other) > rank
        and left - wide < there[2]
        and right + wide > there[0]
        and bottom - high < there[3]
        and top + high > there[1]
        for other, there in others
    )
