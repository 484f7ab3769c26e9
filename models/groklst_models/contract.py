"""What a method is, seen by whoever runs it: tiles in, fine LST in kelvin out.

Shapes: ``h, w`` coarse pixels, ``s`` scale, ``G`` guidance bands, ``B`` tiles in a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
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
    """Turns coarse tiles into fine ones; the tiler knows nothing else of it.

    Attributes:
        scale: Fine pixels along a coarse one.
        halo: Coarse pixels of true surroundings that a tile needs beyond the part that is kept.
        multiple_of: Coarse height and width that it takes are multiples of this.
        pools_tile: Whether a tile's output depends on the tile as a whole (global pooling,
            attention), so that neighbouring tiles have to be blended.
    """

    scale: int
    halo: int
    multiple_of: int
    pools_tile: bool

    def predict(self, tiles: Tiles) -> Tensor:
        """Return the fine LST ``(B, 1, s·h, s·w)``, kelvin, for each sample by itself."""
        ...


@runtime_checkable
class FittedMethod(Method, Protocol):
    """A method without weights, fitted to the scene before it predicts.

    Attributes:
        needs_guide: Whether it cannot work without guidance bands.
        uses_guide: Whether guidance is worth reading for it.
    """

    needs_guide: ClassVar[bool]
    uses_guide: ClassVar[bool]

    def fit(self, scene: SceneView) -> None:
        """Learn from the scene at its coarse scale.

        Raises:
            FitError: If the scene does not hold what the method needs.
        """
        ...
