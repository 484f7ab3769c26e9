"""Missing folders of training data, which are found without importing numpy."""

from pathlib import Path

from groklst_cli.errors import InputError


def refuse_absent_folder(folder: Path) -> None:
    """Refuse a training set that does not exist.

    Raises:
        InputError: If there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; name the training set with --data DIR")
