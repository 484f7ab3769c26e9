from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import writer_in
from tests.trust.refusal import toy_scene, write_checkpoint

if TYPE_CHECKING:
    from tests.trust.children import Children


@pytest.fixture(scope="session")
def children() -> Iterator[Children]:
    """A process that has imported groklst once and is forked for each command line."""
    from tests.trust.children import Children  # needs POSIX

    with Children() as begun:
        yield begun


@pytest.fixture(scope="session")
def scene_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    write_raster = writer_in(folder)
    for name, (values, transform) in toy_scene().items():
        write_raster(name, values, transform)
    write_checkpoint(folder / "net.safetensors")
    return folder


@pytest.fixture
def scene(scene_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An LST, two guides and a checkpoint in the current folder."""
    shutil.copytree(scene_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
