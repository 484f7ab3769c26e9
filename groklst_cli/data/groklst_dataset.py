"""The GrokLST dataset's folders of ``.mat`` files (arXiv 2409.19835).

``30m 60m 120m 240m``, each with ``guidance/`` and ``lst/``, and ``split/*.txt`` whose lines are
positions from 0 in the sorted listing of a folder. Positions are valid only if all folders list the
same names, so files are paired by name, and folders that differ are refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from groklst_cli.data.mat import read_mat
from groklst_cli.data.patches import Origin, Patch
from groklst_cli.errors import InputError, UsageError

RESOLUTIONS: Final[Mapping[int, str]] = {2: "60m", 4: "120m", 8: "240m"}
"""The folder of the coarse LST by scale."""

FINE: Final = "30m"
BANDS: Final = (
    "dem", "deepblue", "blue", "green", "red", "vre", "nir", "ndmvi", "ndvi", "ndwi",
)  # fmt: skip
"""The fields of a guidance file, in channel order."""

OfficialSplit = Literal["train", "val", "trainval", "test"]
_LST_FIELD: Final = "data"


class GrokLST:
    """One official split of the dataset at one scale.

    Attributes:
        scale: 2, 4 or 8.
        bands: The ten guidance bands.
        split: Which split.
        tiles: Number of tiles in all splits.
    """

    bands = BANDS

    def __init__(self, folder: Path, split: OfficialSplit, scale: int) -> None:
        """List and pair the files; none is opened yet.

        Raises:
            UsageError: If the dataset has no such scale.
            InputError: If folders are missing or differ, or the split file does not fit them.
        """
        if scale not in RESOLUTIONS:
            raise UsageError(f"the GrokLST dataset has no scale {scale}; use --scale 2, 4 or 8")
        self._folder, self.split, self.scale = folder, split, scale
        coarse = f"{RESOLUTIONS[scale]}/lst"
        listings = {name: _listing(folder / name) for name in (f"{FINE}/lst", coarse)}
        listings[f"{FINE}/guidance"] = _listing(folder / FINE / "guidance")
        _refuse_unlike(folder, listings)
        names = listings[f"{FINE}/lst"]
        self._names = [names[i] for i in _positions(folder / "split" / f"{split}.txt", len(names))]
        self._coarse, self.tiles = coarse, len(names)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        """Name a patch."""
        return Path(self._names[index]).stem

    def origin(self, index: int) -> Origin | None:
        """Return None: the dataset does not keep its scenes."""
        return None

    def sides(self) -> tuple[int, int]:
        """Return height and width of the first patch, coarse pixels; the dataset has one size."""
        height, width = self.read(0).lst.shape
        return height, width

    def complete(self) -> bool:
        """Return True: every patch has every band."""
        return True

    def describe(self) -> dict[str, Any]:
        """Describe where the patches come from."""
        return {
            "kind": "GrokLST",
            "split": "official, by number; tiles overlap by half, so splits may share pixels",
            "files": len(self._names),
        }

    def read(self, index: int) -> Patch:
        """Read a patch's three files.

        Raises:
            InputError: If a file is not a MAT file, lacks a field, or has the wrong size.
        """
        name = self._names[index]
        lst = read_mat(self._folder / self._coarse / name, [_LST_FIELD])[0]
        truth = read_mat(self._folder / FINE / "lst" / name, [_LST_FIELD])[0]
        expected = (lst.shape[0] * self.scale, lst.shape[1] * self.scale)
        guide_path = self._folder / FINE / "guidance" / name
        guide = read_mat(guide_path, BANDS)
        for path, shape in ((FINE + "/lst/" + name, truth.shape), (guide_path, guide.shape[1:])):
            if shape != expected:
                raise InputError(
                    f"{path} is {shape[0]} × {shape[1]} pixels, {self._coarse}/{name} needs "
                    f"{expected[0]} × {expected[1]}; restore the file from the dataset"
                )
        return Patch(Path(name).stem, lst, truth, guide)


def is_groklst(folder: Path) -> bool:
    """Return whether a folder has the layout of the dataset."""
    return (folder / FINE / "guidance").is_dir() and (folder / FINE / "lst").is_dir()


def _listing(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}; name the top folder of the dataset with --data"
        )
    try:
        names = sorted(item.name for item in folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error}; check its permissions") from error
    stray = [name for name in names if not name.endswith(".mat")]
    if stray:
        raise InputError(
            f"{folder / stray[0]} is not a .mat file and would shift the positions that the split "
            "files count; move it away"
        )
    return names


def _refuse_unlike(folder: Path, listings: Mapping[str, list[str]]) -> None:
    """Check that each name has the same position in all folders."""
    (first, names), *others = listings.items()
    for other, found in others:
        _refuse_extra(folder, first, names, other, found)
        _refuse_extra(folder, other, found, first, names)


def _refuse_extra(folder: Path, here: str, held: list[str], there: str, found: list[str]) -> None:
    extra = sorted(set(held) - set(found))
    if extra:
        raise InputError(
            f"{folder / here / extra[0]} has no partner of the same name in {folder / there} "
            f"({len(extra)} files without one); restore the missing file, or move this one away"
        )


def _positions(path: Path, count: int) -> list[int]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}; expected a split file") from error
    words = [line.split()[0] for line in lines if line.split()]
    for word in words:
        if not re.fullmatch("[0-9]{1,9}", word) or int(word) >= count:
            raise InputError(
                f"{path} names position {word[:20]!r}, but there are {count} files, counted from "
                "0; use the split file and the folders of the same dataset"
            )
    positions = [int(word) for word in words]
    if len(set(positions)) < len(positions):
        raise InputError(f"{path} names a position twice; restore the file from the dataset")
    return positions
