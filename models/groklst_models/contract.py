"""The interface of methods: tiles in, fine LST in kelvin out.

Shapes: ``h, w`` coarse pixels, ``s`` scale, ``G`` guidance bands, ``B`` tiles in a batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CPU: Final = torch.device("cpu")


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
        device: Where to compute with it.
    """

    row: int
    column: int
    lst: NDArray[np.float32]
    guide: NDArray[np.float32]
    core: slice
    device: torch.device = CPU

    @property
    def lst_tensor(self) -> Tensor:
        """The LST on the device."""
        return torch.from_numpy(self.lst).to(self.device)

    @property
    def guide_tensor(self) -> Tensor:
        """Guidance on the device."""
        return torch.from_numpy(self.guide).to(self.device)


class SceneView(Protocol):
    """The view of a scene that a fitted method is fitted to."""

    @property
    def scale(self) -> int:
        """Fine pixels along a coarse pixel."""
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
        """Point spread that the user states, fine pixels; None if it is to be estimated."""
        ...

    @property
    def device(self) -> torch.device:
        """The device of methods that are fitted to it; its blocks have the same."""
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
    """Turns coarse tiles into fine ones; callers use only this interface."""

    @property
    def scale(self) -> int:
        """Fine pixels along a coarse pixel."""
        ...

    @property
    def halo(self) -> int:
        """Coarse pixels of surroundings that a tile needs beyond the part that is kept."""
        ...

    @property
    def uses_guide(self) -> bool:
        """Whether it uses guidance."""
        ...

    @property
    def concurrent(self) -> bool:
        """Whether tiles are best computed at the same time, each on one thread."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def predict(self, tiles: Tiles) -> Tensor:
        """Return the fine LST ``(B, 1, s·h, s·w)``, kelvin; samples are independent."""
        ...


@runtime_checkable
class SamplingMethod(Method, Protocol):
    """A method with random answers, which depend on a seed and the position of each pixel."""

    @property
    def samples(self) -> int:
        """Number of answers that ``predict`` averages."""
        ...

    def draws(self, tiles: Tiles, samples: int) -> Iterator[Tensor]:
        """Return several answers ``(B, 1, s·h, s·w)``, kelvin; the first are always the same."""
        ...


@runtime_checkable
class SamplingNetwork(Protocol):
    """A network whose answer is random and takes several steps.

    It takes any size. All noise is passed in, so that the network itself is deterministic. Without
    noise it works like any other network.
    """

    @property
    def steps(self) -> int:
        """Steps of an answer, and the planes of noise that it takes."""
        ...

    def draws(self, lst: Tensor, guide: Tensor, noise: Iterable[Tensor]) -> Iterator[Tensor]:
        """Return an answer ``(B, 1, s·h, s·w)`` for each noise ``(B, steps, s·h, s·w)``."""
        ...

    def guess(
        self, lst: Tensor, guide: Tensor, truth: Tensor, noise: Tensor, step: Tensor
    ) -> Tensor:
        """Estimate the truth from its state at step ``(B,)``; this is what is trained."""
        ...


class FittedMethod(ABC):
    """A ``Method`` without weights, fitted to the scene before it predicts.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        needs_guide: Whether it cannot work without guidance bands.
        uses_guide: Whether it uses guidance.
        concurrent: Whether tiles are best computed at the same time, each on one thread.
        holds_back: Whether it limits its detail to what a rehearsal on the scene confirms.
        library: Import name of the package that does its work, if that is not PyTorch.
        share: Share of its detail that it adds, 0 to 1.
        device: Where it computes.
        summary: What it found out about the scene, in words; may be empty.
    """

    needs_guide: ClassVar[bool] = True
    holds_back: ClassVar[bool] = False
    library: ClassVar[str] = ""

    scale: int
    uses_guide: bool = True
    concurrent: bool = False
    share: float = 1.0
    device = CPU
    summary = ""

    @property
    @abstractmethod
    def halo(self) -> int:
        """Coarse pixels of surroundings that a tile needs beyond the part that is kept."""

    @property
    def point_spread(self) -> float | None:
        """Standard deviation of the point spread, fine pixels; None if it is not used."""
        return None

    @property
    def product_spread(self) -> float | None:
        """Standard deviation of the blur of its answers, fine pixels; None if there is none."""
        return self.point_spread

    @abstractmethod
    def fit(self, scene: SceneView) -> None:
        """Learn from the scene at its coarse scale.

        Raises:
            FitError: If the scene lacks what the method needs.
        """

    @abstractmethod
    def predict(self, tiles: Tiles) -> Tensor:
        """Return the fine LST ``(B, 1, s·h, s·w)``, kelvin; samples are independent."""
