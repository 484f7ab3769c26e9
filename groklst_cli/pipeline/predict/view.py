"""The view of a scene for fitted methods."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.prefetch import ahead
from groklst_models.contract import CPU, Block


class FileView:
    """Adapts ``Scene`` to ``groklst_models.contract.SceneView``."""

    def __init__(
        self,
        scene: Scene,
        guides: Sequence[GuideSource] | None = None,
        *,
        psf: float | None = None,
        device: torch.device = CPU,
    ) -> None:
        """Look at a scene.

        Args:
            scene: Open.
            guides: The guides to see; None for all.
            psf: The stated point spread, fine pixels; None if it is to be estimated.
            device: Where to compute.
        """
        self._scene = scene
        self._guides = scene.guides if guides is None else guides
        self.scale = scene.scale
        self.shape = scene.coarse.shape
        self.bands = tuple(name for guide in self._guides for name in guide.names)
        self.psf = psf
        self.device = device

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        """Read the scene once, whole rows at a time, one block ahead."""
        chunks = self._scene.chunks(slice(0, self.shape[0]))
        with ahead(self._block(rows, margin) for rows in chunks) as blocks:
            yield from blocks

    def window(self, rows: slice, columns: slice) -> Block:
        """Read one part."""
        lst = self._scene.read_lst(rows, columns)
        guide = self._scene.read_guide(rows, columns, self._guides)
        return Block(rows.start, columns.start, lst, guide, slice(0, len(lst)), self.device)

    def _block(self, rows: slice, margin: int) -> Block:
        height, width = self.shape
        top, bottom = max(0, rows.start - margin), min(height, rows.stop + margin)
        whole = self.window(slice(top, bottom), slice(0, width))
        return replace(whole, core=slice(rows.start - top, rows.stop - top))
