from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import WriteRaster
from tests.trust.refusal import toy_scene, write_checkpoint

if TYPE_CHECKING:
    from tests.trust.children import Children


@pytest.fixture(scope="session")
def children() -> Iterator[Children]:
    """A process that has imported groklst once and is forked for each command line."""
    from tests.trust.children import Children  # needs POSIX

    with Children() as begun:
        yield begun


@pytest.fixture
def scene(write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An LST, two guides and a checkpoint in the current folder."""
    for name, (values, transform) in toy_scene().items():
        write_raster(name, values, transform)
    write_checkpoint(tmp_path / "net.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path
