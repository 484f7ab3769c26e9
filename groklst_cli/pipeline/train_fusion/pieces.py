"""Scenes cut into pieces, made more various: what the cases are made of."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rasterio.features import rasterize

from groklst_cli.data.scenes import SceneFolder
from groklst_cli.data.variety import (
    SPOILS,
    Piece,
    blurred_truth,
    coarser,
    fewer_bands,
    with_clouds,
    with_elevation,
)
from groklst_cli.geo.align import GuideSource
from groklst_cli.geo.opening import BandSource, grid_of, open_raster
from groklst_cli.pipeline.train_fusion.options import FusionOptions

_SMALL = 300
_TINY = 176
_POOR = 300


@dataclass(frozen=True)
class Cut:
    """A piece and what it is to be refined by.

    Attributes:
        piece: The piece.
        scale: Fine pixels along a coarse pixel.
        kind: ``main``, ``other`` or ``poor``; kinds are drawn alike.
    """

    piece: Piece
    scale: int
    kind: str


def read_scene(folder: SceneFolder, options: FusionOptions) -> Piece:
    """Read a whole scene at its own resolution.

    Raises:
        GroklstError: If a file cannot be used.
    """
    with open_raster(str(folder.lst)) as dataset:
        grid, lst = grid_of(dataset), dataset.read(1).astype(np.float32)
        if dataset.nodata is not None:
            lst[lst == dataset.nodata] = np.nan
    lowest = options.lowest.get(folder.name, 150.0)
    lst[~((lst >= lowest) & (lst < 400))] = np.nan
    for polygon in options.left_out.get(folder.name, ()):
        ring = [(column, row) for row, column in polygon]
        shape = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        lst[rasterize([shape], out_shape=lst.shape) == 1] = np.nan
    rows, columns = slice(0, grid.height), slice(0, grid.width)
    names: list[str] = []
    planes = []
    for source in folder.guide_sources:
        guide = GuideSource(BandSource(source.path), grid)
        try:
            planes.append(guide.read(rows, columns))
            names += guide.names
        finally:
            guide.close()
    return Piece(lst, np.concatenate(planes), tuple(names))


def cuts(name: str, whole: Piece, options: FusionOptions) -> Iterator[Cut]:
    """Cut a scene up in every way; what is drawn depends on the seed and the scene's name alone."""
    rng = np.random.default_rng([options.case_seed, zlib.crc32(name.encode())])
    main = options.aggregations[0]
    for factor in options.aggregations:
        scene = coarser(whole, factor)
        if min(scene.truth.shape) < options.least_side:
            continue
        small = min(scene.truth.shape) < _SMALL
        repeats = 4 if small and factor == main else 2 if small or factor == main else 1
        for repeat in range(repeats):
            for scale in (*_main_scales(options), *_other_scales(options, rng)):
                for piece in _pieces(scene, scale, repeat, small=small, options=options, rng=rng):
                    yield Cut(piece, scale, "main" if factor == main else "other")
    for _ in range(6 if whole.truth.size > 10**6 else 2):
        for scale in (*_main_scales(options), *_other_scales(options, rng)):
            yield Cut(_poor(whole, rng), scale, "poor")


def _main_scales(options: FusionOptions) -> list[int]:
    most = max(options.scales.values())
    return [int(scale) for scale, share in options.scales.items() if share == most]


def _other_scales(options: FusionOptions, rng: np.random.Generator) -> list[int]:
    most = max(options.scales.values())
    others = [int(scale) for scale, share in options.scales.items() if share < most]
    return [others[int(rng.integers(len(others)))]] if others else []


def _pieces(
    scene: Piece,
    scale: int,
    repeat: int,
    *,
    small: bool,
    options: FusionOptions,
    rng: np.random.Generator,
) -> Iterator[Piece]:
    """Cut a scene from a random offset, with other bands each time."""
    down, across = (0, 0) if repeat == 0 else rng.integers(0, scale, 2)
    moved = scene.cut(slice(int(down), None), slice(int(across), None))
    if repeat % 3 or (repeat and rng.random() < 0.5):
        moved = fewer_bands(moved, rng)
    tiny = not small and repeat == 1
    if (small and repeat == 3) or (tiny and rng.random() < 0.5):
        moved = with_elevation(moved, rng)
    size = _TINY if tiny else options.piece
    for rows in _parts(moved.truth.shape[0], size):
        for columns in _parts(moved.truth.shape[1], size):
            if tiny and rng.random() > (0.15 if scene.truth.size > 10**6 else 0.5):
                continue
            piece = moved.cut(rows, columns)
            if repeat == 2 and rng.random() < 0.5:
                piece = with_clouds(piece, rng)
            yield piece


def _parts(length: int, size: int) -> list[slice]:
    count = max(1, round(length / size))
    edges = [round(i * length / count) for i in range(count + 1)]
    return [slice(edges[i], edges[i + 1]) for i in range(count)]


def _poor(whole: Piece, rng: np.random.Generator) -> Piece:
    """Cut out a part whose guides are poor in one way or other."""
    rows, columns = (
        slice(start, start + _POOR)
        for start in (int(rng.integers(0, max(1, n - _POOR))) for n in whole.truth.shape)
    )
    piece = whole.cut(rows, columns)
    ways = list(SPOILS)
    piece = SPOILS[ways[int(rng.integers(len(ways)))]](piece, rng)
    return blurred_truth(piece, rng) if rng.random() < 0.25 else piece
