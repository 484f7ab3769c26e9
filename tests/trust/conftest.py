from pathlib import Path

import pytest

from tests.conftest import WriteRaster
from tests.trust.refusal import toy_scene, write_checkpoint


@pytest.fixture
def scene(write_raster: WriteRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An LST, two guides and a checkpoint in the current folder."""
    for name, (values, transform) in toy_scene().items():
        write_raster(name, values, transform)
    write_checkpoint(tmp_path / "net.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path
