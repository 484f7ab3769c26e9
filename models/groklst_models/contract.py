"""What a method is, seen by whoever runs it: tiles in, fine LST in kelvin out.

Shapes: ``h, w`` coarse pixels, ``s`` scale, ``G`` guidance bands, ``B`` tiles in a batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Tiles:
    """A batch of tiles of one size.

    Attributes:
        lst: Coarse LST ``(B, 1, h, w)``, kelvin, without gaps.
        guide: Guidance ``(B, G, s·h, s·w)`` in the bands' physical units, NaN where it is
            missing; None for methods that take none.
        rows: The scene's coarse row at which each tile begins.
        columns: The scene's coarse column at which each tile begins.
    """

    lst: Tensor
    guide: Tensor | None
    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """Part of a scene at both resolutions.

    Attributes:
        row: The scene's coarse row at which it begins.
        column: The scene's coarse column at which it begins.
        lst: Coarse LST ``(h, w)``, kelvin, NaN where nodata.
        guide: Guidance ``(G, s·h, s·w)``, physical units, NaN where it is missing.
        core: The rows that belong to this block; those before and after are its surroundings,
            and belong to its neighbours.
    """

    row: int
    column: int
    lst: NDArray[np.float32]
    guide: NDArray[np.float32]
    core: slice


class SceneView(Protocol):
    """What a fitted method may see of the scene it is fitted to."""

    @property
    def scale(self) -> int:
        """Fine pixels along a coarse one."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Coarse rows and columns."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the guidance bands, in the order of every guide array."""
        ...

    @property
    def psf(self) -> float | None:
        """Point spread that the user states, fine pixels; None where it is to be estimated."""
        ...

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        """Read the scene once, in whole rows from the top, in bounded memory.

        Args:
            margin: Rows of surroundings to add above and below each block, as far as there are.
        """
        ...

    def window(self, rows: slice, columns: slice) -> Block:
        """Read one part; the slices are coarse pixels inside the scene."""
        ...


@runtime_checkable
class Method(Protocol):
    """Turns coarse tiles into fine ones; who runs it knows nothing else of it."""

    @property
    def scale(self) -> int:
        """Fine pixels along a coarse one."""
        ...

    @property
    def halo(self) -> int:
        """Coarse pixels of true surroundings that a tile needs beyond the part that is kept."""
        ...

    @property
    def uses_guide(self) -> bool:
        """Whether guidance is worth reading for it."""
        ...

    @property
    def concurrent(self) -> bool:
        """Whether tiles are best computed side by side, each on one thread."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def predict(self, tiles: Tiles) -> Tensor:
        """Return the fine LST ``(B, 1, s·h, s·w)``, kelvin, for each sample by itself."""
        ...


@runtime_checkable
class SamplingMethod(Method, Protocol):
    """A method whose answers have chance in them, drawn from a seed and each pixel's place."""

    @property
    def samples(self) -> int:
        """How many answers ``predict`` returns the mean of."""
        ...

    def draws(self, tiles: Tiles, samples: int) -> Iterator[Tensor]:
        """Make so many answers ``(B, 1, s·h, s·w)``, kelvin; the first are always the same."""
        ...


@runtime_checkable
class SamplingNetwork(Protocol):
    """A network whose answer takes several steps and has chance in it.

    It takes any size, and is handed all noise, so that it is itself without chance. Without noise
    it is a network like any other.
    """

    @property
    def steps(self) -> int:
        """Steps to an answer, and planes of noise that it takes."""
        ...

    def draws(self, lst: Tensor, guide: Tensor, noise: Iterable[Tensor]) -> Iterator[Tensor]:
        """Make an answer ``(B, 1, s·h, s·w)`` of each noise ``(B, steps, s·h, s·w)``."""
        ...

    def guess(
        self, lst: Tensor, guide: Tensor, truth: Tensor, noise: Tensor, step: Tensor
    ) -> Tensor:
        """Guess a truth from what a step ``(B,)`` makes of it; this is what is trained."""
        ...


class FittedMethod(ABC):
    """A ``Method`` without weights, fitted to the scene before it predicts.

    Attributes:
        scale: Fine pixels along a coarse one.
        needs_guide: Whether it cannot work without guidance bands.
        uses_guide: Whether guidance is worth reading for it.
        concurrent: Whether tiles are best computed side by side, each on one thread.
        holds_back: Whether it keeps only as much detail as the scene bears out, by itself.
        library: Import name of the package that does its work, if that is not PyTorch.
        share: Of the detail that it found, how much it puts in, 0 to 1.
        device: Where it computes.
        summary: What it found out about the scene, for people; empty where that is nothing.
    """

    needs_guide: ClassVar[bool] = True
    holds_back: ClassVar[bool] = False
    library: ClassVar[str] = ""

    scale: int
    uses_guide: bool = True
    concurrent: bool = False
    share: float = 1.0
    device = torch.device("cpu")
    summary = ""

    @property
    @abstractmethod
    def halo(self) -> int:
        """Coarse pixels of true surroundings that a tile needs beyond the part that is kept."""

    @property
    def point_spread(self) -> float | None:
        """Standard deviation of the point spread, fine pixels; None where it plays no part."""
        return None

    @property
    def product_spread(self) -> float | None:
        """Standard deviation of what its answers are blurred by, fine pixels; as above."""
        return self.point_spread

    @abstractmethod
    def fit(self, scene: SceneView) -> None:
        """Learn from the scene at its coarse scale.

        Raises:
            FitError: If the scene does not hold what the method needs.
        """

    @abstractmethod
    def predict(self, tiles: Tiles) -> Tensor:
        """Return the fine LST ``(B, 1, s·h, s·w)``, kelvin, for each sample by itself."""
