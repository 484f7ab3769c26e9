"""Find out which kind of training data a folder contains."""

from pathlib import Path
from typing import cast, get_args

from groklst_cli.data.absent import refuse_absent_folder
from groklst_cli.data.groklst_dataset import GrokLST, OfficialSplit, is_groklst
from groklst_cli.data.patches import SPLITS, PatchSource, PreparedFolder, Split
from groklst_cli.errors import UsageError


def open_patches(folder: Path, split: str, scale: int) -> PatchSource:
    """Open a split of the GrokLST dataset, or of a folder that ``groklst prepare`` wrote.

    Args:
        folder: The top folder.
        split: One of its splits.
        scale: Fine pixels along a coarse pixel.

    Raises:
        UsageError: If it has no such split or scale.
        InputError: If the folder is neither, or cannot be used.
    """
    refuse_absent_folder(folder)
    official = is_groklst(folder)
    splits = get_args(OfficialSplit) if official else SPLITS
    if split not in splits:
        raise UsageError(f"{folder} has no split {split!r}; choose one of {', '.join(splits)}")
    if official:
        return GrokLST(folder, cast("OfficialSplit", split), scale)
    prepared = PreparedFolder(folder, cast("Split", split))
    if prepared.scale != scale:
        raise UsageError(
            f"{folder} was prepared for scale {prepared.scale}, not {scale}; "
            f"add --scale {prepared.scale}, or prepare it again"
        )
    prepared.refuse_gaps()
    return prepared
