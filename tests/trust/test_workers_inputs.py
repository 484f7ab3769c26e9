"""Laws of workers on other machines: a file that is another there ends the run in one line."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from groklst_cli.errors import InputError, OtherFileError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import cluster
from groklst_cli.pipeline.downscale.cluster import Task, refuse_more_files, refuse_other_files
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from tests.conftest import read
from tests.trust.rasters import vrt, vrt_band
from tests.trust.refusal import write_checkpoint

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)


@pytest.fixture(autouse=True)
def files(write_raster, tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    write_raster("lst.tif", rng.normal(300, 5, (10, 12)).astype(np.float32), COARSE)
    write_raster("nir.tif", rng.uniform(0, 1, (40, 48)).astype(np.float32), FINE)
    (tmp_path / "lst.vrt").write_bytes(vrt(vrt_band("lst.tif")))
    write_checkpoint(tmp_path / "net.safetensors")
    monkeypatch.chdir(tmp_path)


def request(**changes: object) -> Request:
    settled = {"scale": 4, "model": "net.safetensors", "device": "cpu"}
    return Request(
        BandSource("lst.vrt"),
        Path("out.tif"),
        [BandSource("nir.tif")],
        **{**settled, **changes},  # type: ignore[arg-type]
    )


def task() -> Task:
    """What a worker is told; which rows it is to predict plays no part here."""
    return Task(request(), None, Inputs.of(request()).contents())  # type: ignore[arg-type]


def same_size(name: str) -> None:
    """Turn the bytes in the middle of a file around, and keep its time."""
    before, held = os.stat(name), bytearray(Path(name).read_bytes())
    held[len(held) // 2] ^= 1
    Path(name).write_bytes(held)
    os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))


def longer(name: str) -> None:
    Path(name).write_bytes(Path(name).read_bytes() + b"\0")


def gone(name: str) -> None:
    Path(name).unlink()


def folder(name: str) -> None:
    Path(name).unlink()
    Path(name).mkdir()


WRONG = [
    pytest.param(do, name, says, id=f"{name}-{do.__name__}")
    for name in ("lst.vrt", "lst.tif", "nir.tif", "net.safetensors")
    for do, says in (
        (same_size, r"its \d+ bytes differ"),
        (longer, r"it has \d+ bytes instead of \d+"),
        (gone, "it does not exist there"),
        (folder, "it does not exist there"),
    )
]


@pytest.mark.parametrize(("do", "name", "says"), WRONG)
def test_another_file_is_refused_by_name(do: Callable[[str], None], name: str, says: str):
    asked = task()
    do(name)
    words = rf"the worker on \S+ reads another {re.escape(name)} than this run: {says}; .* --resume"
    with pytest.raises(OtherFileError, match=words) as raised:
        refuse_other_files(asked)
    assert raised.value.exit_code == 1


def test_a_file_that_only_the_worker_has_beside_an_input_is_refused():
    asked = task()
    Path("nir.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    refuse_other_files(asked)
    with pytest.raises(
        OtherFileError,
        match=r"another nir\.tif\.aux\.xml .* it does not exist where the run was started",
    ):
        refuse_more_files(asked, Inputs.of(request()))


def test_a_copy_with_a_time_of_its_own_is_the_same_file(tmp_path):
    asked = task()
    for name in ("lst.vrt", "lst.tif", "nir.tif", "net.safetensors"):
        shutil.copy(name, "copy")
        os.replace("copy", name)
        os.utime(name, ns=(0, 0))
    refuse_other_files(asked)
    refuse_more_files(asked, Inputs.of(request()))


def test_a_file_that_cannot_be_read_is_named(monkeypatch):
    def refuse(*arguments: object) -> object:
        raise PermissionError(13, "Permission denied")

    asked = task()
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"lst\.tif cannot be read: Permission denied"):
        refuse_other_files(asked)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
class TestRun:
    @pytest.fixture
    def scheduler(self):
        distributed = pytest.importorskip("distributed", reason="Dask is not installed")
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="localhost:0"
        ) as local:
            yield local.scheduler_address

    @pytest.mark.parametrize("model", ["ridge", "net.safetensors"])
    def test_a_worker_that_sees_another_file_ends_it(self, scheduler, monkeypatch, model):
        """The worker is in this process; the file changes between the client's look and its own."""
        hold = cluster._hold

        def elsewhere(handed: Task) -> Task:
            held = {Path("nir.tif"): replace(handed.contents[Path("nir.tif")], digest="other")}
            return replace(hold(handed), contents={**handed.contents, **held})

        monkeypatch.setattr(cluster, "_hold", elsewhere)
        with pytest.raises(OtherFileError, match=r"reads another nir\.tif"):
            downscale(request(model=model, scheduler=scheduler))
        assert not Path("out.tif").exists()

    def test_workers_that_see_the_same_make_the_same(self, scheduler):
        downscale(request(scheduler=scheduler))
        shared = read("out.tif")
        downscale(request(overwrite=True))
        np.testing.assert_array_equal(read("out.tif"), shared)
