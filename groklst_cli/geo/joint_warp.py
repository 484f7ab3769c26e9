"""Warping bands of several files of one grid together, so that coordinates are computed once.

A VRT in memory makes one dataset of the bands. All of its bands are sampled or warped in one go,
and the bits of each are those that it has alone. Each thread has a dataset of its own and reads
some of the columns, cut where GDAL's blocks end, so threads change no bits either.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from html import escape
from itertools import groupby, pairwise
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from groklst_cli.geo.align import GuideSource, Warping, stored_reader, warped
from groklst_cli.geo.environment import reading_pool, threads_of_environment
from groklst_cli.geo.opening import UNREADABLE

_TYPES: Final = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
"""GDAL's names of numpy's types."""

Item = TypeVar("Item")
Result = TypeVar("Result")

_BLOCK: Final = 512
"""Columns that GDAL warps at once, counted from the fine grid's first."""


class JointWarp:
    """Some guides of one grid that are warped together."""

    def __init__(self, guides: Sequence[GuideSource], warping: Warping) -> None:
        """Plan it.

        Args:
            guides: Whose ``warping`` is the same.
            warping: Theirs.
        """
        self.guides = guides
        bands = [band for guide in guides for band in guide.stored]
        described = _vrt(bands, warping)
        self._datasets = [
            DatasetReader(described, driver=["VRT"]) for _ in range(threads_of_environment())
        ]
        self._warping, self._bilinear = warping, warping.bilinear
        self._warped = [
            warped(dataset, warping.fine, warping.resampling, warping.marks[0])
            for dataset in (self._datasets if self._bilinear is None else ())
        ]
        self._pool = reading_pool()

    def close(self) -> None:
        """Close what is open, after the threads have ended."""
        self._pool.shutdown(cancel_futures=True)
        for one in (*self._warped, *self._datasets):
            one.close()

    def read_into(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        """Read a window of the fine grid into ``(bands, rows, columns)``, as each guide would.

        Raises:
            InputError: If a file breaks off or is damaged there, or holds impossible values.
        """
        try:
            self._warp_into(values, rows, columns)
        except UNREADABLE:  # each guide by itself says which file it is
            for guide, part in _parts(self.guides, values):
                guide.read_into(part, rows, columns)
            return
        for guide, part in _parts(self.guides, values):
            guide.take_warped(part, rows)

    def _warp_into(self, values: NDArray[np.float32], rows: slice, columns: slice) -> None:
        cuts = _cuts(columns, len(self._datasets))
        if len(cuts) == 1:
            self._read_part(0, values, rows, columns)
            return

        def read(numbered: tuple[int, slice]) -> None:
            thread, part = numbered
            inside = slice(part.start - columns.start, part.stop - columns.start)
            self._read_part(thread, values[..., inside], rows, part)

        _all_of(self._pool, read, list(enumerate(cuts)))

    def _read_part(
        self, thread: int, values: NDArray[np.float32], rows: slice, columns: slice
    ) -> None:
        if self._bilinear is None:
            window = Window.from_slices(rows, columns)
            values[...] = self._warped[thread].read(window=window)
            return
        dataset = self._datasets[thread]
        read = stored_reader(dataset, dataset.indexes)
        self._bilinear.sample_into(values, rows, columns, read, self._warping.marks)


class GuideReader:
    """Reads guides, those of one grid together, and several files that need no warp in threads."""

    def __init__(self) -> None:
        """Know of no guides yet."""
        self._joint: list[tuple[Warping, JointWarp]] = []
        self._pool = reading_pool()

    def close(self) -> None:
        """Close what is open, after the threads have ended; guides are to be closed after that."""
        self._pool.shutdown(cancel_futures=True)
        for _, joint in self._joint:
            joint.close()
        self._joint.clear()

    def read_into(
        self,
        guides: Sequence[GuideSource],
        values: NDArray[np.float32],
        rows: slice,
        columns: slice,
    ) -> None:
        """Read a window of the fine grid into ``(bands, rows, columns)``, of all guides in order.

        Raises:
            InputError: If a file breaks off or is damaged there, or holds impossible values.
        """

        def read(part: tuple[GuideSource, NDArray[np.float32]]) -> None:
            guide, own = part
            guide.read_into(own, rows, columns)

        first = 0
        for warping, alike in groupby(guides, lambda guide: guide.warping):
            group = list(alike)
            last = first + sum(len(guide.names) for guide in group)
            part = values[first:last]
            if warping is None or warping.dtype not in _TYPES:
                self._of_each(read, list(_parts(group, part)))
            else:
                self._joint_of(group, warping).read_into(part, rows, columns)
            first = last

    def doubts(self, guides: Sequence[GuideSource]) -> list[str]:
        """Look at the values of guides, as ``GuideSource.doubts`` does.

        Raises:
            InputError: If those of one would harm.
        """
        return [line for found in self._of_each(GuideSource.doubts, guides) for line in found]

    def _of_each(self, ask: Callable[[Item], Result], parts: Sequence[Item]) -> list[Result]:
        """Ask something of each guide; each has a dataset of its own, which one thread reads."""
        if threads_of_environment() == 1 or len(parts) == 1:
            return [ask(part) for part in parts]
        return _all_of(self._pool, ask, parts)

    def _joint_of(self, guides: Sequence[GuideSource], warping: Warping) -> JointWarp:
        for place, (known, joint) in enumerate(self._joint):
            if joint.guides == guides and known == warping:
                return joint
            if joint.guides == guides:  # they were moved since
                joint.close()
                del self._joint[place]
                break
        joint = JointWarp(guides, warping)
        self._joint.append((warping, joint))
        return joint


def _all_of(
    pool: ThreadPoolExecutor, ask: Callable[[Item], Result], parts: Sequence[Item]
) -> list[Result]:
    """Ask something of each part in threads; all have ended when the first error is raised.

    Otherwise a file could be closed, or an array filled anew, while a thread still works on it.
    """
    asked = [pool.submit(ask, part) for part in parts]
    wait(asked)
    return [one.result() for one in asked]


def _cuts(columns: slice, count: int) -> list[slice]:
    """Divide columns into at most ``count`` parts; each but the last ends where a block does."""
    blocks = range(columns.start // _BLOCK, -(-columns.stop // _BLOCK))
    each = -(-len(blocks) // count)
    edges = [block * _BLOCK for block in blocks[each::each]]
    return [slice(*pair) for pair in pairwise([columns.start, *edges, columns.stop])]


def _parts(
    guides: Sequence[GuideSource], values: NDArray[np.float32]
) -> Iterator[tuple[GuideSource, NDArray[np.float32]]]:
    """Share an array of all bands out to their guides."""
    first = 0
    for guide in guides:
        last = first + len(guide.names)
        yield guide, values[first:last]
        first = last


def _vrt(bands: Sequence[tuple[str, int]], warping: Warping) -> str:
    """Describe files of one grid as one dataset, in GDAL's XML."""
    grid = warping.own
    size = f'xSize="{grid.width}" ySize="{grid.height}"'
    transform = ",".join(repr(float(value)) for value in grid.transform.to_gdal())
    crs = escape(grid.crs.to_wkt(), quote=False)
    described = [
        f'<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">'
        f"<SRS>{crs}</SRS><GeoTransform>{transform}</GeoTransform>"
    ]
    for number, (path, band) in enumerate(bands, 1):
        name = escape(path, quote=False)
        described.append(
            f'<VRTRasterBand dataType="{_TYPES[warping.dtype]}" band="{number}"><SimpleSource>'
            f'<SourceFilename relativeToVRT="0" shared="0">{name}</SourceFilename>'
            f"<SourceBand>{band}</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" {size}/><DstRect xOff="0" yOff="0" {size}/>'
            "</SimpleSource></VRTRasterBand>"
        )
    return "".join([*described, "</VRTDataset>"])
