"""Patches: coarse LST, fine truth and guidance of one square area.

``groklst prepare`` writes them as GeoTIFFs beside a ``manifest.json``; this module reads them back.
"""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self, get_args

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from groklst_cli.errors import InputError, words_of
from groklst_cli.geo.names import is_text

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
Split = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
_SCALES: Final = range(2, 65)
_LARGEST_SIDE: Final = 8192  # fine pixels; a float32 plane of it takes 256 MiB


@dataclass(frozen=True)
class Patch:
    """One square area.

    Attributes:
        name: Its name.
        lst: Coarse LST ``(h, w)``, kelvin, NaN where nodata.
        truth: Fine LST ``(s·h, s·w)``, kelvin, NaN where nodata.
        guide: Guidance ``(G, s·h, s·w)``, physical units, NaN where it is missing.
    """

    name: str
    lst: NDArray[np.float32]
    truth: NDArray[np.float32]
    guide: NDArray[np.float32]


@dataclass(frozen=True)
class Origin:
    """Where a patch was cut from.

    Attributes:
        scene: The scene's name.
        lst: Its coarse LST.
        guide: Its guidance on the fine grid, or None.
        shape: Height and width of that grid.
        rows: The patch's, of that grid.
        columns: Likewise.
    """

    scene: str
    lst: Path
    guide: Path | None
    shape: tuple[int, int]
    rows: slice
    columns: slice


class PatchSource(Protocol):
    """A source of patches; every reader process may have a copy of it."""

    @property
    def scale(self) -> int:
        """Fine pixels along a coarse pixel."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the guidance bands, in the order of every guide array."""
        ...

    def __len__(self) -> int:
        """Count the patches."""
        ...

    def name(self, index: int) -> str:
        """Name a patch."""
        ...

    def read(self, index: int) -> Patch:
        """Read one patch from its files."""
        ...

    def origin(self, index: int) -> Origin | None:
        """Return where a patch was cut from; None if its scene is not kept."""
        ...

    def sides(self) -> tuple[int, int]:
        """Return the least height and width of any patch, coarse pixels."""
        ...

    def complete(self) -> bool:
        """Tell whether every patch has every band."""
        ...

    def describe(self) -> dict[str, Any]:
        """Say where the patches come from, as plain data."""
        ...


@dataclass(frozen=True)
class PatchEntry:
    """A patch as the manifest lists it.

    Attributes:
        name: Its name.
        scene: The scene it was cut from.
        split: The split it belongs to.
        bands: The guidance bands of its scene.
        files: File names below the folder, by ``lst``, ``truth`` and ``guide``.
        sha256: The files' hashes, likewise.
        place: Rows and columns in the scene's fine grid, and the share of valid pixels.
    """

    name: str
    scene: str
    split: Split
    bands: tuple[str, ...]
    files: Mapping[str, str]
    sha256: Mapping[str, str]
    place: Mapping[str, Any]

    @property
    def parts(self) -> tuple[slice, slice]:
        """Rows and columns of its scene's fine grid."""
        (top, bottom), (left, right) = self.place["rows"], self.place["columns"]
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width, fine pixels."""
        rows, columns = self.parts
        return rows.stop - rows.start, columns.stop - columns.start


@dataclass(frozen=True)
class SceneEntry:
    """A whole scene as the manifest lists it.

    Attributes:
        name: Its name.
        bands: Its guidance bands.
        shape: Height and width, fine pixels.
        files: File names below the folder, by ``lst`` (coarse) and ``guide`` (fine).
        sha256: The files' hashes, likewise.
    """

    name: str
    bands: tuple[str, ...]
    shape: tuple[int, int]
    files: Mapping[str, str]
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """What a prepared folder holds.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        bands: Every band of any patch, in the order that guides are read in.
        patches: All patches.
        provenance: Scenes, their hashes and the options; free plain data.
        statistics: Of the training patches, by band; free plain data.
        scenes: The scenes that patches were cut from; none in folders of earlier versions.
    """

    scale: int
    bands: tuple[str, ...]
    patches: tuple[PatchEntry, ...]
    provenance: Mapping[str, Any]
    statistics: Mapping[str, Any]
    scenes: tuple[SceneEntry, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "format": FORMAT,
            "scale": self.scale,
            "bands": list(self.bands),
            "patches": [
                {**vars(entry), "bands": list(entry.bands)}  # a flat dataclass of plain data
                for entry in self.patches
            ],
            "scenes": [
                {**vars(scene), "bands": list(scene.bands), "shape": list(scene.shape)}
                for scene in self.scenes
            ],
            "provenance": dict(self.provenance),
            "statistics": dict(self.statistics),
        }

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read and check a folder's manifest.

        Raises:
            InputError: If it is missing, of another format, or names files outside the folder.
        """
        path = folder / MANIFEST
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            command = f"groklst prepare SCENE… --out {shlex.quote(str(folder))}"
            raise InputError(f"{folder} has no {MANIFEST}; prepare it with: {command}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not JSON: {error}; prepare the folder again") from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InputError(f"{path} does not have format {FORMAT}; prepare the folder again")
        try:
            scale, bands = int(data["scale"]), _names(data["bands"])
            if scale not in _SCALES:
                raise ValueError(f"scale {scale} is not in 2 … 64")
            manifest = cls(
                scale,
                bands,
                tuple(_entry(item, scale, bands) for item in data["patches"]),
                dict(data["provenance"]),
                dict(data["statistics"]),
                tuple(_scene_entry(item) for item in data.get("scenes", [])),
            )
            _refuse_misfits(manifest)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{path} cannot be used: {error!r}; prepare it again") from error
        return manifest


class PreparedFolder:
    """One split of a prepared folder.

    Attributes:
        scale: Fine pixels along a coarse pixel.
        bands: Names of the guidance bands; a patch that lacks one holds NaN there.
        split: The name of this split.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        """Read the manifest; patches are read when they are asked for.

        Raises:
            InputError: If the manifest cannot be used.
        """
        self._folder, self.split = folder, split
        self._manifest = Manifest.read(folder)
        self.scale, self.bands = self._manifest.scale, self._manifest.bands
        self._entries = [entry for entry in self._manifest.patches if entry.split == split]
        self._scenes = {scene.name: scene for scene in self._manifest.scenes}

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, index: int) -> str:
        """Name a patch."""
        return self._entries[index].name

    def origin(self, index: int) -> Origin | None:
        """Return where a patch was cut from; None in folders of earlier versions."""
        entry = self._entries[index]
        scene = self._scenes.get(entry.scene)
        if scene is None:
            return None
        guide = self._folder / scene.files["guide"] if scene.bands else None
        lst, (rows, columns) = self._folder / scene.files["lst"], entry.parts
        return Origin(scene.name, lst, guide, scene.shape, rows, columns)

    def refuse_gaps(self) -> None:
        """Check that no patch of this split is missing, before any is used.

        Raises:
            InputError: If a patch is missing.
        """
        names = [name for entry in self._entries for name in entry.files.values()]
        missing = [name for name in names if not os.path.isfile(self._folder / name)]
        if missing:
            raise InputError(
                f"{self._folder / missing[0]} does not exist ({len(missing)} of {len(names)} "
                "files that the manifest names are missing); prepare the folder again"
            )

    def sides(self) -> tuple[int, int]:
        """Return the least height and width of any patch, coarse pixels."""
        heights, widths = zip(*(entry.sides for entry in self._entries), strict=True)
        return min(heights) // self.scale, min(widths) // self.scale

    def complete(self) -> bool:
        """Tell whether every patch of any split has every band."""
        return all(set(entry.bands) == set(self.bands) for entry in self._manifest.patches)

    def describe(self) -> dict[str, Any]:
        """Describe where the patches come from."""
        return {"kind": "prepared", "split": "by place", **self._manifest.provenance}

    def read(self, index: int) -> Patch:
        """Read a patch.

        Raises:
            InputError: If a file is missing, damaged or of another size.
        """
        entry = self._entries[index]
        height, width = entry.sides
        lst = self._read(entry, "lst", (1, height // self.scale, width // self.scale))[0]
        truth = self._read(entry, "truth", (1, height, width))[0]
        guide = np.full((len(self.bands), height, width), np.nan, np.float32)
        if entry.bands:
            planes = self._read(entry, "guide", (len(entry.bands), height, width))
            guide[[self.bands.index(name) for name in entry.bands]] = planes
        return Patch(entry.name, lst, truth, guide)

    def _read(
        self, entry: PatchEntry, kind: str, shape: tuple[int, int, int]
    ) -> NDArray[np.float32]:
        """Read a file of ``(bands, rows, columns)`` after checking its size."""
        path = self._folder / entry.files[kind]
        try:
            with rasterio.open(path, driver="GTiff") as raster:
                found = (raster.count, raster.height, raster.width)
                if found != shape:
                    raise InputError(
                        f"{path} is {found}, the manifest says {shape} (bands, rows, columns); "
                        "prepare the folder again"
                    )
                values: NDArray[np.float32] = raster.read(out_dtype="float32")
        except (RasterioError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path} cannot be read: {words_of(error)}; prepare it again"
            ) from error
        return values


def _entry(item: Mapping[str, Any], scale: int, bands: Sequence[str]) -> PatchEntry:
    if item["split"] not in SPLITS:
        raise ValueError(f"split {item['split']!r} is not one of {', '.join(SPLITS)}")
    files = {str(kind): str(name) for kind, name in dict(item["files"]).items()}
    entry = PatchEntry(
        str(item["name"]),
        str(item["scene"]),
        item["split"],
        _names(item["bands"]),
        files,
        dict(item["sha256"]),
        dict(item["place"]),
    )
    _refuse_outside(list(files.values()))
    missing = {"lst", "truth", *(["guide"] if entry.bands else [])} - files.keys()
    if missing or not set(entry.bands) <= set(bands):
        raise ValueError(
            f"patch {entry.name!r} lacks files, or has bands that the manifest does not list"
        )
    for side in entry.sides:
        if not (scale <= side <= _LARGEST_SIDE) or side % scale:
            raise ValueError(f"patch {entry.name!r} has a side of {side} pixels")
    return entry


def _scene_entry(item: Mapping[str, Any]) -> SceneEntry:
    files = {str(kind): str(name) for kind, name in dict(item["files"]).items()}
    height, width = (int(side) for side in item["shape"])
    bands = _names(item["bands"])
    scene = SceneEntry(str(item["name"]), bands, (height, width), files, dict(item["sha256"]))
    _refuse_outside(list(files.values()))
    if {"lst", *(["guide"] if bands else [])} - files.keys():
        raise ValueError(f"scene {scene.name!r} lacks files")
    return scene


def _refuse_misfits(manifest: Manifest) -> None:
    """Check that a manifest keeps the scenes of all patches, or of none, and that patches fit."""
    shapes = {scene.name: scene.shape for scene in manifest.scenes}
    for entry in manifest.patches if shapes else ():
        height, width = shapes.get(entry.scene, (0, 0))
        rows, columns = entry.parts
        if rows.start < 0 or columns.start < 0 or rows.stop > height or columns.stop > width:
            raise ValueError(f"patch {entry.name!r} is not inside its scene {entry.scene!r}")


def _names(listed: Any) -> tuple[str, ...]:
    names = tuple(listed) if isinstance(listed, list) else (None,)
    if len(set(map(str, names))) < len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError(f"bands are {listed!r}, which is not a list of different names")
    return names


def _refuse_outside(names: Sequence[str]) -> None:
    for name in names:
        if not is_text(name):
            raise ValueError(f"the file name {name!r} is not valid text")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"file {name!r} is outside the folder")
