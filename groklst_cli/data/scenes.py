"""Scene folders: which file of one is what, for every command.

A scene is a folder with ``lst.tif`` and its guides, which are all other rasters in it but these:
``clear.tif`` (1 where the LST can be used), ``reference_lst.tif`` (what results are compared with,
never a guide), and what ``groklst downscale`` wrote. ``scene.json`` may state facts about it.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from groklst_cli.data.dates import TAG, TIFF_TAG, Seen
from groklst_cli.errors import GroklstError, InputError, UsageError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.masks import MaskFile, parse_rule
from groklst_cli.geo.opening import BandSource, files_of, open_raster

LST: Final = "lst.tif"
CLEAR: Final = "clear.tif"
REFERENCE: Final = "reference_lst.tif"
FACTS: Final = "scene.json"

_ONE: Final = parse_rule("values=1")
_SUFFIXES: Final = (".tif", ".tiff", ".vrt")
_MOST_JOINED: Final = 64  # pixels
_LONGEST: Final = 2**20  # characters of scene.json
_RESULT: Final = ("GROKLST_METHOD", "GROKLST_QUANTITY")
"""Tags that only results of groklst have."""


@dataclass(frozen=True)
class SceneFacts:
    """The facts in a scene's ``scene.json`` that commands use; the rest of the file is information.

    Attributes:
        aggregate_first_by: Pixels of the LST along one of its sensor's own; None if not stated.
        left_out: Why commands that take many scenes skip this one; None if they do not.
        not_guides: Names of rasters in the folder that are not guides, without their endings.
        scale: The scale to use if the pixels of LST and guides do not determine it; None if not
            stated.
        seen: Date or time of the LST; None if it is not stated or has another form.
    """

    aggregate_first_by: int | None = None
    left_out: str | None = None
    not_guides: tuple[str, ...] = ()
    scale: int | None = None
    seen: Seen | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file, which may be missing.

        Raises:
            InputError: If it does not hold a JSON object, or a fact has the wrong type.
        """
        if not os.path.isfile(path):
            return cls()
        try:
            with open(path, encoding="utf-8") as file:
                stated = json.loads(file.read(_LONGEST))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path} cannot be read: {error}; expected a JSON object") from error
        if not isinstance(stated, Mapping):
            raise InputError(f"{path} does not hold a JSON object; write {{…}}, or remove the file")
        return cls(
            _number(path, "aggregate_first_by", stated.get("aggregate_first_by")),
            _text(path, stated.get("left_out")),
            _names(path, stated.get("not_guides")),
            _number(path, "scale", stated.get("scale"), 2),
            Seen.parse(stated.get("time")) or Seen.parse(stated.get("date")),
        )


@dataclass(frozen=True)
class SceneFolder:
    """A scene's files.

    Attributes:
        path: The folder.
        guides: Its guidance, by name.
        clear: Its mask, or None.
        reference: What results are compared with, or None.
        facts: What ``scene.json`` states.
        passed_over: Rasters that are not used as guides although no convention names them, and why.
    """

    path: Path
    guides: tuple[Path, ...]
    clear: Path | None
    reference: Path | None
    facts: SceneFacts
    passed_over: Mapping[str, str]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return Path(os.path.abspath(self.path)).name

    @property
    def lst(self) -> Path:
        """The LST raster."""
        return self.path / LST

    @property
    def guide_sources(self) -> tuple[BandSource, ...]:
        """Its guides, as sources to read."""
        return tuple(BandSource(str(path)) for path in self.guides)

    @property
    def masks(self) -> tuple[MaskFile, ...]:
        """Its mask, as a source to read: only 1 is clear."""
        return () if self.clear is None else (MaskFile(BandSource(str(self.clear)), _ONE),)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Look into a folder.

        Raises:
            InputError: If it is not a scene, its ``scene.json`` cannot be used, or a guide is made
                of the scene's reference.
        """
        if not is_scene(path):
            raise InputError(
                f"{path} is neither a raster nor a folder with {LST}; name a scene folder, or an "
                "LST raster with its guides"
            )
        facts = SceneFacts.read(path / FACTS)
        clear, reference = (_if_there(path / name) for name in (CLEAR, REFERENCE))
        scene = cls(path, (), clear, reference, facts, {})
        rasters = [found for found in sorted(path.iterdir()) if found.suffix.lower() in _SUFFIXES]
        guides = [found for found in rasters if not _has_a_role(found)]
        with gdal_environment():
            reasons = {found.name: scene._reason_against(found) for found in guides}
        kept = tuple(found for found in guides if reasons[found.name] is None)
        return replace(
            scene,
            guides=kept,
            passed_over={name: why for name, why in reasons.items() if why is not None},
        )

    def without(self, names: Iterable[str]) -> Self:
        """Leave guides out by name, without their endings."""
        stems = set(names)
        return replace(self, guides=tuple(p for p in self.guides if p.stem not in stems))

    def _reason_against(self, guide: Path) -> str | None:
        """Return why a raster is not a guide, or None; a raster that cannot be read fails later."""
        if guide.stem in self.facts.not_guides:
            return f"because of {FACTS}"
        try:
            with open_raster(str(guide)) as raster:
                tags, files = raster.tags(), [guide, *map(Path, files_of(raster))]
        except GroklstError:
            return None
        if self.reference is not None and any(_same(self.reference, path) for path in files):
            raise InputError(
                f"{guide} is made of {REFERENCE}, the reference that results are compared with, "
                "so it cannot be a guide; move it out of the folder"
            )
        return "groklst wrote it" if any(tag in tags for tag in _RESULT) else None


def guides_in(folder: Path, lsts: Sequence[str]) -> list[BandSource]:
    """List every raster of a folder as a guide, except LSTs and files that are never guides.

    Raises:
        InputError: If there is none, or one is made of the folder's reference.
    """
    reference = _if_there(folder / REFERENCE)
    scene = SceneFolder(folder, (), None, reference, SceneFacts.read(folder / FACTS), {})
    rasters = [found for found in sorted(folder.iterdir()) if found.suffix.lower() in _SUFFIXES]
    others = [
        found
        for found in rasters
        if not (_has_a_role(found) or any(_same(found, Path(lst)) for lst in lsts))
    ]
    with gdal_environment():
        guides = [found for found in others if scene._reason_against(found) is None]
    if not guides:
        raise InputError(f"{folder} contains no guide; name a raster, or a folder of rasters")
    return [BandSource(str(found)) for found in guides]


def is_scene(folder: Path) -> bool:
    """Tell whether a folder is a scene."""
    return os.path.isfile(folder / LST)


def scenes_in(folder: Path) -> list[Path]:
    """List the scenes in a folder by name; none if it is a scene itself or not a folder."""
    if is_scene(folder) or not os.path.isdir(folder):
        return []
    return [found for found in sorted(folder.iterdir()) if is_scene(found)]


def seen_at(lst: str) -> Seen | None:
    """Return when an LST was acquired, from its scene or else its tags; None if unknown.

    Raises:
        GroklstError: If it, or what its scene states, cannot be read.
    """
    place = Path(lst)
    if place.name == LST and (stated := SceneFacts.read(place.with_name(FACTS)).seen):
        return stated
    with open_raster(lst) as raster:
        tags = raster.tags()
    return Seen.parse(tags.get(TAG)) or Seen.parse(tags.get(TIFF_TAG))


def scene_folders(folder: Path, wanted: Sequence[str] = ()) -> list[Path]:
    """List the scenes of a folder by name.

    Args:
        folder: Holds a folder for every scene; or is a scene itself.
        wanted: Names to choose; all when empty.

    Raises:
        InputError: If there is none, or a wanted one is not there.
    """
    parents = [folder] if is_scene(folder) else sorted(folder.glob("*/"))
    found = [scene for scene in parents if is_scene(scene)]
    if not found:
        raise InputError(
            f"{folder} contains no scene folder; a scene folder has {LST} and its guides; name a "
            "folder of scene folders with --data"
        )
    names = [scene.name for scene in found]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(
            f"{folder} has no scene {', '.join(missing)}; it has {', '.join(names)}; "
            "choose from these with --scene"
        )
    return [scene for scene in found if not wanted or scene.name in wanted]


def refuse_reference(guides: Iterable[BandSource]) -> None:
    """Check that guides that are named one by one do not include a scene's reference.

    Raises:
        UsageError: If one is a reference.
    """
    for guide in guides:
        if _role(Path(guide.path)) == _role(Path(REFERENCE)):
            raise UsageError(
                f"{guide.path} has the name of the reference that results are compared with, so "
                "it cannot be a guide; leave it out, or rename the file if it is something else"
            )


def _has_a_role(path: Path) -> bool:
    return _role(path) in {_role(Path(name)) for name in (LST, CLEAR, REFERENCE)}


def _role(path: Path) -> str:
    """Return a name up to its first dot, in lower case."""
    return path.name.split(".")[0].lower()


def _if_there(path: Path) -> Path | None:
    return path if os.path.isfile(path) else None


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not a local file
        return False


def _number(path: Path, key: str, value: Any, least: int = 1) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST_JOINED:
        return value
    raise InputError(
        f"{path}: {key} is {_short(value)}, expected a whole number from {least} to "
        f"{_MOST_JOINED}; correct that value"
    )


def _text(path: Path, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise InputError(f"{path}: left_out is {_short(value)}, expected a reason as text; write one")


def _names(path: Path, value: Any) -> tuple[str, ...]:
    listed = [] if value is None else value
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return tuple(listed)
    raise InputError(
        f'{path}: not_guides is {_short(value)}, expected a list of names; write ["NAME", …]'
    )


def _short(value: Any) -> str:
    return repr(value)[:80]
