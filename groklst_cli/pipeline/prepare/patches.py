"""Prepare a training set: scenes in, patches and a manifest out."""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rasterio.warp import transform_bounds

from groklst_cli import __version__
from groklst_cli.data.degrade import valid_means
from groklst_cli.data.patch_files import write_planes, write_scene
from groklst_cli.data.patches import MANIFEST, SPLITS, Manifest, PatchEntry, SceneEntry, Split
from groklst_cli.data.scenes import FACTS
from groklst_cli.data.splits import Bounds, cut, starts, too_near
from groklst_cli.data.statistics import RunningStatistics
from groklst_cli.data.truth import SceneFiles, SceneTruth, sha256
from groklst_cli.data.variety import Piece, varied
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.smoothing import gaussian_mean
from groklst_cli.geo.whole_folder import whole_folder
from groklst_cli.pipeline.prepare.band_levels import BandLevels
from groklst_cli.pipeline.prepare.drops import GAPS, KEPT, NEAR, Drops

_WRITTEN: Final = re.compile(
    rf"{re.escape(MANIFEST)}|({'|'.join(SPLITS)}|scenes)/.+_(lst|truth|guide)\.tif(\.aux\.xml)?"
)
"""Files of a prepared folder; statistics of viewers may be next to a patch."""


@dataclass(frozen=True)
class Preparation:
    """What to prepare.

    Attributes:
        scenes: The scenes.
        out: The folder to write.
        scale: Fine pixels along a coarse pixel.
        patch: Side of a patch, fine pixels.
        bands: The guidance bands to keep; empty for all.
        native: The LST's true resolution by scene, "" for all others: pixels to aggregate, or
            metres such as ``100m``. The default is what ``scene.json`` states.
        psf: Standard deviation of the sensor's point spread, coarse pixels.
        max_nodata: Largest share of a patch where LST or a guide is missing.
        whole: Splits of scenes that belong to one split completely.
        vary: Number of degraded versions of each training patch: fewer bands, misregistered, noisy
            or blurred guides, clouds, a blurred truth.
        seed: Seed of these.
        patches_only: Whether to leave out the whole scenes, which only ``evaluate`` reads.
        overwrite: Whether an existing folder may be replaced.
    """

    scenes: Sequence[SceneFiles]
    out: Path
    scale: int = 8
    patch: int = 256
    bands: Sequence[str] = ()
    native: Mapping[str, str] = field(default_factory=dict)
    psf: float = 0.0
    max_nodata: float = 0.2
    whole: Mapping[str, Split] = field(default_factory=dict)
    vary: int = 0
    seed: int = 0
    patches_only: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse values that contradict each other.

        Raises:
            UsageError: If a value is not valid, or does not name a scene.
        """
        names = [scene.name for scene in self.scenes]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise UsageError(f"two scenes are named {twins[0]}; rename a folder")
        if self.patch < self.scale or self.patch % self.scale:
            raise UsageError(f"--patch {self.patch} is not a multiple of --scale {self.scale}")
        if not 0 <= self.max_nodata < 1:
            raise UsageError(f"--max-nodata {self.max_nodata} must be at least 0 and below 1")
        if self.vary < 0 or self.seed < 0:
            raise UsageError(f"--vary {self.vary} and --seed {self.seed} must be at least 0")
        if not 0 <= self.psf <= 2:
            raise UsageError(f"--psf {self.psf} must be in 0 … 2 coarse pixels")
        for option, named in (("--whole", self.whole), ("--native-resolution", self.native)):
            for name in named:
                if name and name not in names:
                    raise UsageError(
                        f"{option} names {name}, but the scenes are {', '.join(names)}"
                    )
        self._refuse_no_training()

    @property
    def sigma(self) -> float:
        """Standard deviation of the point spread, fine pixels."""
        return self.psf * self.scale

    def _refuse_no_training(self) -> None:
        given = {self.whole.get(scene.name, "train") for scene in self.scenes}
        if given and "train" not in given:
            sets = " and ".join(sorted(given))
            raise UsageError(
                f"--whole puts every scene into {sets}, so there are no training patches; add a "
                "scene to train on, or leave --whole out to divide each scene into all three "
                "splits"
            )


@dataclass(frozen=True)
class Prepared:
    """The result.

    Attributes:
        out: The folder.
        patches: Patches by split.
        left_out: Patches that were not kept, by reason.
        bands: Names of the guidance bands.
    """

    out: Path
    patches: Mapping[str, int]
    left_out: Mapping[str, int]
    bands: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {**asdict(self), "out": str(self.out), "bands": list(self.bands)}


@dataclass(frozen=True)
class _Window:
    """The position of a patch: fine pixels of its scene, and degrees."""

    split: Split
    rows: slice
    columns: slice
    bounds: Bounds


def prepare(request: Preparation, *, note: Callable[[str], None] = lambda text: None) -> Prepared:
    """Cut scenes into patches, in a folder that appears complete or not at all.

    Args:
        request: What to do.
        note: Called with a summary of each scene.

    Raises:
        OutputExistsError: If the folder exists and may not be replaced.
        UsageError: If it cannot be made.
        InputError: If a scene cannot be used, or no training patches are left.
    """
    inputs = [path for scene in request.scenes for path in scene.local()]
    with (
        whole_folder(
            request.out, overwrite=request.overwrite, inputs=inputs, foreign=not_prepared
        ) as made,
        gdal_environment(),
        ExitStack() as opened,
    ):
        request = _without_left_out(request, note)
        scenes = [opened.enter_context(_open(files, request)) for files in request.scenes]
        return _write_scenes(scenes, request, made, note)


def not_prepared(folder: Path) -> Path | None:
    """Find a file in a folder that this command did not write, or the folder if it wrote none."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if not _WRITTEN.fullmatch(path.relative_to(folder).as_posix()):
            return path
    return None if (folder / MANIFEST).is_file() else folder


def parse_native(texts: Iterable[str]) -> dict[str, str]:
    """Read ``[SCENE=]N`` or ``[SCENE=]METRESm``; the name "" stands for all other scenes."""
    pairs = [text.rpartition("=") for text in texts]
    return {name: value for name, _, value in pairs}


def parse_whole(texts: Iterable[str]) -> dict[str, Split]:
    """Read ``SCENE=train``, ``=val`` or ``=test``.

    Raises:
        UsageError: If a text is not of that form.
    """
    named: dict[str, Split] = {}
    for text in texts:
        name, _, asked = text.rpartition("=")
        found = [split for split in SPLITS if split == asked]
        if not name or not found:
            raise UsageError(f"--whole {text} is not SCENE=train, SCENE=val or SCENE=test")
        named[name] = found[0]
    return named


def _open(files: SceneFiles, request: Preparation) -> SceneTruth:
    native = request.native.get(files.name, request.native.get("", files.native))
    return SceneTruth(files, native, request.bands)


def _without_left_out(request: Preparation, note: Callable[[str], None]) -> Preparation:
    """Leave out scenes that state it, unless ``whole`` names them; report why."""
    kept = []
    for files in request.scenes:
        reason = files.left_out if files.name not in request.whole else None
        if reason is None:
            kept.append(files)
        else:
            note(f"scene {files.name} is left out by its {FACTS}: {reason}")
        for name, why in files.passed_over.items():
            note(f"scene {files.name}: {name} is not used as a guide, {why}")
    if not kept:
        raise InputError(
            f"all {len(request.scenes)} scenes are left out by their {FACTS}; to use one anyway, "
            "add --whole NAME=train"
        )
    return replace(request, scenes=kept)


def _write_scenes(
    scenes: Sequence[SceneTruth], request: Preparation, folder: Path, note: Callable[[str], None]
) -> Prepared:
    windows = {scene.name: _place(scene, request) for scene in scenes}
    bands = _bands(scenes, request)
    drops = Drops(request.max_nodata)
    entries: list[PatchEntry] = []
    kept_scenes: list[SceneEntry] = []
    statistics = {name: RunningStatistics() for name in ("lst", *bands)}
    levels = BandLevels()
    for scene in scenes:
        chosen = _apart(scene.name, windows, drops)
        made = list(_write_patches(scene, chosen, request, folder, statistics, levels))
        for window, written in zip(chosen, made, strict=True):
            drops.count(scene.name, window.split, KEPT if written else GAPS)
        found = [entry for written in made for entry in written]
        if found and not request.patches_only:
            kept_scenes.append(write_scene(scene, request.scale, request.sigma, folder))
        entries += found
        made_here = _counts(entry.split for entry in found)
        for doubt in scene.doubts:
            note(doubt)
        note(f"scene {scene.name}: {scene.describe()}; patches {made_here}{drops.told(scene.name)}")
    drops.refuse_empty(request.whole)
    by_name = {scene.name: scene for scene in scenes}
    levels.refuse_unlike(lambda name, band: by_name[name].path_of(band))
    counts = _counts(entry.split for entry in entries)
    if empty := [split for split, count in counts.items() if not count]:
        note(
            f"no {' or '.join(empty)} patches, because --whole puts every scene into another split"
        )
    provenance = {
        "version": __version__,
        "patch": request.patch,
        "psf": request.psf,
        "max_nodata": request.max_nodata,
        "vary": request.vary,
        "seed": request.seed,
        "split": "by place; splits are a patch apart",
        "scenes": [scene.provenance() for scene in scenes],
    }
    told = {name: moments.to_json() for name, moments in statistics.items()}
    manifest = Manifest(request.scale, bands, tuple(entries), provenance, told, tuple(kept_scenes))
    text = json.dumps(manifest.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return Prepared(request.out, counts, drops.totals(), bands)


def _bands(scenes: Sequence[SceneTruth], request: Preparation) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name for scene in scenes for name in scene.bands))
    strange = [name for name in request.bands if name not in found]
    if strange:
        raise InputError(
            f"--bands asks for {', '.join(strange)}, which no scene has; add the files, or name "
            "other bands"
        )
    return tuple(request.bands) or found


def _apart(name: str, windows: Mapping[str, Sequence[_Window]], drops: Drops) -> list[_Window]:
    """Choose a scene's patches that are a patch away from other scenes' held-out ones."""
    kept = []
    for window in windows[name]:
        near = [
            other
            for other, theirs in windows.items()
            if other != name
            and too_near(window.split, window.bounds, [(w.split, w.bounds) for w in theirs])
        ]
        if near:
            drops.count(name, window.split, NEAR, near)
        else:
            kept.append(window)
    return kept


def _counts(splits: Iterable[Split]) -> dict[str, int]:
    found = list(splits)
    return {name: found.count(name) for name in SPLITS}


def _place(scene: SceneTruth, request: Preparation) -> list[_Window]:
    """Place a scene's patches in blocks along its longer side, next to each other."""
    unit, size = request.scale, request.patch // request.scale
    height, width = (length // unit for length in scene.grid.shape)
    if min(height, width) < 1:
        raise InputError(f"{scene.name} is {scene.grid.shape} pixels, less than one coarse pixel")
    tall = height >= width
    length, other = (height, width) if tall else (width, height)
    places = []
    for split, start, stop in _blocks(scene.name, length, size, request):
        for along in starts(start, stop, size):
            for across in starts(0, other, size):
                longer = slice(along, min(along + size, stop))
                shorter = slice(across, min(across + size, other))
                rows, columns = (longer, shorter) if tall else (shorter, longer)
                places.append((split, rows, columns))
    return [_window(scene.grid, split, rows, columns, unit) for split, rows, columns in places]


def _blocks(
    name: str, length: int, size: int, request: Preparation
) -> list[tuple[Split, int, int]]:
    if name in request.whole:
        return [(request.whole[name], 0, length)]
    taken = set(request.whole.values()) - {"train"}
    sets = [split for split in SPLITS if split not in taken]
    try:
        return [(part.split, part.start, part.stop) for part in cut(length, size, sets)]
    except ValueError as error:
        raise InputError(
            f"{name} is {length} coarse pixels long, but {error}; "
            f"add --whole {name}=train (or val, or test), or lower --patch"
        ) from error


def _window(grid: Grid, split: Split, rows: slice, columns: slice, unit: int) -> _Window:
    fine_rows = slice(rows.start * unit, rows.stop * unit)
    fine_columns = slice(columns.start * unit, columns.stop * unit)
    bounds = grid.crop(fine_rows, fine_columns).bounds
    return _Window(split, fine_rows, fine_columns, transform_bounds(grid.crs, 4326, *bounds))


def _write_patches(
    scene: SceneTruth,
    windows: Sequence[_Window],
    request: Preparation,
    folder: Path,
    statistics: Mapping[str, RunningStatistics],
    levels: BandLevels,
) -> Iterator[list[PatchEntry]]:
    """Write a scene's patches and their degraded versions, without those with many gaps."""
    for number, window in enumerate(windows):
        truth = scene.read_lst(window.rows, window.columns)
        guide = scene.read_guide(window.rows, window.columns)
        gaps = np.isnan(truth) | np.isnan(guide).any(axis=0)
        if gaps.mean() > request.max_nodata:
            yield []
            continue
        for band, plane in zip(scene.bands, guide, strict=True):
            levels.add(scene.name, band, plane)
        lst = scene.read_coarse(window.rows, window.columns, request.scale, request.sigma)
        if window.split == "train":
            statistics["lst"].add(lst)
            for name, plane in zip(scene.bands, guide, strict=True):
                statistics[name].add(plane)
        name, piece = f"{scene.name}_{number:04d}", Piece(truth, guide, scene.bands)
        written = [_write_patch(scene, window, name, piece, lst, request.scale, folder)]
        for version in range(request.vary if window.split == "train" else 0):
            draws = [request.seed, zlib.crc32(name.encode()), version]
            poorer = varied(piece, np.random.default_rng(draws))
            blurred = gaussian_mean(poorer.truth, request.sigma).astype(np.float32)
            coarse = valid_means(blurred, request.scale)
            called = f"{name}_v{version + 1}"
            written.append(
                _write_patch(scene, window, called, poorer, coarse, request.scale, folder)
            )
        yield written


def _write_patch(
    scene: SceneTruth,
    window: _Window,
    name: str,
    piece: Piece,
    lst: NDArray[np.float32],
    scale: int,
    folder: Path,
) -> PatchEntry:
    """Write the files of one patch."""
    grid = scene.grid.crop(window.rows, window.columns)
    kinds = {"lst": lst[None], "truth": piece.truth[None], "guide": piece.guide}
    files, hashes = {}, {}
    for kind, planes in kinds.items():
        if len(planes) == 0:
            continue
        files[kind] = f"{window.split}/{name}_{kind}.tif"
        names = piece.bands if kind == "guide" else (kind,)
        here = grid.coarsen(scale) if kind == "lst" else grid
        write_planes(folder / files[kind], planes, names, here)
        hashes[kind] = sha256(folder / files[kind])
    gaps = np.isnan(piece.truth) | np.isnan(piece.guide).any(axis=0)
    place = {
        "rows": [window.rows.start, window.rows.stop],
        "columns": [window.columns.start, window.columns.stop],
        "valid": round(float(1 - gaps.mean()), 4),
    }
    return PatchEntry(name, scene.name, window.split, piece.bands, files, hashes, place)
