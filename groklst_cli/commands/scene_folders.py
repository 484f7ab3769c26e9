"""Scene folders, and folders of them, in place of LSTs: what each sets in its request."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from groklst_cli.data.dates import name_with_date
from groklst_cli.data.scenes import LST, SceneFolder, is_scene, scenes_in
from groklst_cli.errors import GroklstError, InputError
from groklst_cli.geo.band_names import FileName
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.opening import open_raster
from groklst_cli.pipeline.predict.choice import header_of
from groklst_cli.pipeline.predict.listeners import Note


@dataclass(frozen=True)
class Shared:
    """What is set for all scenes, in addition to what each folder sets.

    Attributes:
        chosen: The request's fields.
        bands: Names of the guides that all scenes share.
    """

    chosen: Mapping[str, Any]
    bands: frozenset[str]

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Self:
        """Read the band names of the guides that all scenes share."""
        names = [name for guide in chosen["guides"] for name in _names(guide)]
        return cls(chosen, frozenset(names))

    def changes(self, found: SceneFolder) -> dict[str, Any]:
        """Return what a folder sets: its LST, guides, mask and scale.

        A shared guide replaces the folder's guide of the same name.

        Raises:
            GroklstError: If the checkpoint cannot be read.
        """
        masks, guides = self.chosen["masks"], self.chosen["guides"]
        changes = {
            "lst": BandSource(str(found.lst)),
            "guides": [*found.without(self.bands).guide_sources, *guides],
            "masks": replace(masks, lst=(*found.masks, *masks.lst)),
        }
        if self.chosen["scale"] is None and header_of(self.chosen["model"]) is None:
            changes["scale"] = found.facts.scale
        return changes


@dataclass(frozen=True)
class Named:
    """One of many LSTs, as it was named.

    Attributes:
        name: What its output is named after.
        changes: What it sets in its request.
        why: Why it cannot be used, or None.
        left_out: Why it is left out among many, or None.
    """

    name: str
    changes: Mapping[str, Any]
    why: GroklstError | None = None
    left_out: str | None = None

    @classmethod
    def folder(cls, folder: Path, shared: Shared) -> Self:
        """Read a scene folder; one that cannot be used fails in its turn."""
        try:
            found = SceneFolder.read(folder)
            name = name_with_date(found.name, found.facts.seen)
            return cls(name, shared.changes(found), left_out=found.facts.left_out)
        except GroklstError as error:
            return cls(folder.name, {"lst": BandSource(str(folder / LST))}, error)


def all_named(texts: Sequence[str], shared: Shared, note: Note) -> Iterator[Named]:
    """Read what was named: rasters, scene folders, folders of scene folders.

    Raises:
        InputError: If a folder contains no scene.
    """
    for text in texts:
        path = Path(text)
        if not os.path.isdir(text):
            source = BandSource.parse(text)
            yield Named(Path(source.path).stem, {"lst": source})
            continue
        folders = [path] if is_scene(path) else scenes_in(path)
        if not folders:
            raise InputError(
                f"{path} contains no scene folder; a scene folder has {LST} and its guides; name "
                "a scene folder, or a folder of them"
            )
        for folder in folders:
            named = Named.folder(folder, shared)
            if named.left_out is None:
                yield named
            else:
                note(f"{folder} is left out: {named.left_out}")


def _names(guide: BandSource) -> list[str]:
    """Return the band names of a guide."""
    if guide.name is not None:
        return [guide.name]
    try:
        with gdal_environment(), open_raster(guide.path) as raster:
            described = [text for text in raster.descriptions if text]
    except GroklstError:  # reported when it is read
        described = []
    return described or [FileName.of(guide.path).name]
