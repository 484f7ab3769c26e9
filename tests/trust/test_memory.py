"""Laws of memory: what cannot fit is refused before it is taken, what did not fit is said so."""

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from groklst_cli.errors import DeviceError, GroklstError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import memory
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.batch import largest_fitting
from groklst_cli.pipeline.predict.memory_errors import memory_errors
from groklst_models.fitted.bicubic import Bicubic
from tests.conftest import UTM

if not sys.platform.startswith("linux"):
    pytest.skip("limits and memory in use are told by /proc", allow_module_level=True)

from tests.trust.children import Fault

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
PREDICT = "groklst_models.fitted.bicubic:Bicubic.predict"
MIB = 2**20


@pytest.fixture
def scene(write_raster, tmp_path) -> list[str]:
    lst = np.random.default_rng(0).normal(300, 5, (96, 40)).astype(np.float32)
    path = write_raster("lst.tif", lst, NORTH)
    words = ["downscale", path, tmp_path / "fine.tif", "-s", 8, "-m", "bicubic", "-j", 1, "-q"]
    return [*map(str, words), "--tile", "256"]


def claim(path: Path, height: int, width: int, **profile: object) -> Path:
    """Write a file of a few kilobytes that claims to be large."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype="float32",
        crs=UTM,
        transform=NORTH,
        SPARSE_OK=True,
        BIGTIFF="YES",
        tiled=True,
        blockxsize=4096,
        blockysize=4096,
        **profile,
    ):
        pass
    return path


def assert_names_a_way_out(ended, *words: str) -> None:
    assert ended.code == 5, ended.err
    assert ended.err.startswith("groklst: ")
    assert ended.err.count("\n") == 1, ended.err
    for word in words or ("--batch 1", "--tile", "--jobs"):
        assert word in ended.err


@pytest.mark.parametrize("action", ["starve", "starve_torch", "starve_cuda"])
@pytest.mark.parametrize(
    "function",
    [
        PREDICT,
        "groklst_cli.pipeline.predict.ready:fit_or_load",
        "groklst_cli.geo.mosaic:Mosaic.add",
    ],
)
def test_whoever_lacks_memory_it_is_code_5(children, scene, tmp_path, function, action):
    ended = children.run(*scene, fault=Fault(function, action=action))
    assert_names_a_way_out(ended)
    assert not (tmp_path / "fine.tif").exists()
    assert children.run(*scene, "--resume").code == 0


@pytest.mark.parametrize("room", [150, 300])
def test_a_process_with_little_memory_ends_in_one_line(children, write_raster, tmp_path, room):
    lst = np.random.default_rng(0).normal(300, 5, (32, 8192)).astype(np.float32)
    path = write_raster("lst.tif", lst, NORTH)
    words = ["downscale", path, tmp_path / "fine.tif", "-s", 8, "-m", "bicubic", "-j", 1, "-q"]
    ended = children.run(*words, AS=room * MIB)
    assert_names_a_way_out(ended, "memory")
    assert not (tmp_path / "fine.tif").exists()


@pytest.mark.parametrize("shape", [(10**6, 10**6), (20, 2 * 10**8), (2 * 10**8, 10**6)], ids=str)
def test_a_claim_beyond_memory_is_refused_before_it_is_read(children, tmp_path, shape):
    lst = claim(tmp_path / "lst.tif", *shape)
    assert lst.stat().st_size < 10**9
    ended = children.run("downscale", lst, tmp_path / "fine.tif", "-q", AS=512 * MIB)
    assert_names_a_way_out(ended, str(shape[1]), "GiB", "--tile", "--bounds")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lst.tif"]


def test_what_fits_is_not_refused(write_raster, tmp_path, monkeypatch):
    lst = np.full((64, 100), 300, np.float32)
    source = BandSource(write_raster("lst.tif", lst, NORTH))
    row = 512 * 800 * 40 + 16 * 100
    request = Request(source, tmp_path / "fine.tif", model="bicubic", overwrite=True, jobs=1)
    monkeypatch.setattr(memory, "_limits", lambda: iter([row]))
    downscale(request)
    monkeypatch.setattr(memory, "_limits", lambda: iter([row - 1, 2 * row]))
    with pytest.raises(DeviceError, match="64 × 100 pixels: a row of tiles of 512 × 800"):
        downscale(request)


def test_this_machine_is_known():
    known = memory.machine_memory()
    assert known is not None
    assert known > 64 * MIB


def test_a_batch_that_does_not_fit_falls_back_and_says_so():
    said: list[str] = []

    def run(tiles: int) -> None:
        if tiles > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert largest_fitting(run, 4, said.append) == 2
    assert said == ["batch 4 does not fit into memory; using batches of 2 tiles"]


def test_errors_that_are_not_of_memory_stay_what_they_are(write_raster, tmp_path, monkeypatch):
    def predict(self: Bicubic, tiles: object) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    lst = np.full((20, 20), 300, np.float32)
    source = BandSource(write_raster("lst.tif", lst, NORTH))
    monkeypatch.setattr(Bicubic, "predict", predict)
    with pytest.raises(RuntimeError, match="shapes differ"):
        downscale(Request(source, tmp_path / "fine.tif", model="bicubic"))


@pytest.mark.parametrize("room", [1, 4, 16, 32, 40, 41, 44, 48, 52, 60])
@pytest.mark.parametrize("words", ["", "--tile 64 --overlap 8"], ids=["plain", "tiles"])
def test_a_limit_just_above_what_is_in_use_never_crashes(children, scene, tmp_path, room, words):
    ended = children.run(*scene, *words.split(), AS=room * MIB)
    assert_names_a_way_out(ended, "memory", "--tile")
    assert not (tmp_path / "fine.tif").exists()


def test_room_enough_below_a_limit_is_not_refused(children, scene):
    assert children.run(*scene, AS=160 * MIB).code == 0


@pytest.mark.parametrize(
    "words",
    [
        "fine.tif could not be written: overview.cpp, 4759: cannot allocate 7864320 bytes",
        "lst.tif is damaged near row 0: cannot allocate 640 bytes; copy or download it again",
    ],
)
def test_memory_that_gdal_lacks_is_code_5(words):
    with pytest.raises(DeviceError, match="memory ran out"), memory_errors():
        raise GroklstError(words)
