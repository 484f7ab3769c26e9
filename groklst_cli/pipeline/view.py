"""A scene on disk as fitted methods see it."""

from collections.abc import Iterator
from dataclasses import replace

from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.ahead import ahead
from groklst_models.contract import Block


class FileView:
    """Adapts ``Scene`` to ``groklst_models.contract.SceneView``."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.scale = scene.scale
        self.shape = scene.coarse.shape
        self.bands = scene.bands

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        """Read the scene once, whole rows at a time, one block ahead."""
        chunks = self._scene.chunks(slice(0, self.shape[0]))
        with ahead(self._block(rows, margin) for rows in chunks) as blocks:
            yield from blocks

    def window(self, rows: slice, columns: slice) -> Block:
        """Read one part."""
        lst = self._scene.read_lst(rows, columns)
        guide = self._scene.read_guide(rows, columns)
        return Block(rows.start, columns.start, lst, guide, slice(0, len(lst)))

    def _block(self, rows: slice, margin: int) -> Block:
        height, width = self.shape
        top, bottom = max(0, rows.start - margin), min(height, rows.stop + margin)
        whole = self.window(slice(top, bottom), slice(0, width))
        return replace(whole, core=slice(rows.start - top, rows.stop - top))
