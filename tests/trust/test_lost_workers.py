"""Laws of shared runs that lose everybody: an end, a clear line, and rows that are kept."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from groklst_cli.errors import ChangedError, DeviceError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import cluster
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from tests.conftest import read

pytest.importorskip("distributed", reason="Dask is not installed")

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
ADDRESS = "tcp://127.0.0.1:18787"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")


class Client:
    """A scheduler whose workers come and go as a test says."""

    def __init__(self, workers: Callable[[], dict[str, int]]) -> None:
        self.future: Future[int] = Future()
        self.scheduler_info = lambda: {"workers": workers()}

    def submit(self, *arguments: object, **options: object) -> Future[int]:
        return self.future

    def cancel(self, futures: list[object]) -> None:
        pass


def rows_of(client: Client, tmp_path: Path) -> Iterator[Any]:
    work: Any = None
    strip: Any = None
    count = lambda tiles: None  # noqa: E731
    return cluster.Cluster(client).predict(work, "lst", tmp_path, strip, [range(1)], count)


def test_nobody_is_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.1)
    monkeypatch.setattr(cluster, "_LOOK", 0.01)
    with pytest.raises(DeviceError, match=r"all workers are gone .* --resume"):
        next(rows_of(Client(dict), tmp_path))


def test_workers_that_are_slow_or_come_back_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    monkeypatch.setattr(cluster, "_LOOK", 0.01)
    began = time.monotonic()
    client = Client(lambda: {} if (time.monotonic() - began) % 0.2 < 0.1 else {"one": 1})
    threading.Timer(1, client.future.set_exception, [ChangedError("done waiting")]).start()
    with pytest.raises(ChangedError):
        next(rows_of(client, tmp_path))


def test_a_scheduler_that_goes_is_named(tmp_path):
    client = Client(lambda: {"one": 1})
    client.future.cancel()
    with pytest.raises(DeviceError, match=r"the connection to the scheduler was lost .* --resume"):
        next(rows_of(client, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["worker", "scheduler"])
def test_rows_outlast_those_who_made_them(write_raster, tmp_path, monkeypatch, who):
    monkeypatch.setattr(cluster, "_PATIENCE", 20.0)
    lst = np.random.default_rng(0).normal(300, 5, (400, 40)).astype(np.float32)
    source = BandSource(write_raster("lst.tif", lst, NORTH))
    options = {"scale": 4, "model": "bicubic", "tile": 32, "jobs": 1}
    expected = read(downscale(Request(source, tmp_path / "alone.tif", **options)).output)
    host, port = ADDRESS.removeprefix("tcp://").split(":")
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    join = [sys.executable, "-m", "distributed.cli.dask_worker", ADDRESS, "--no-nanny"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    there = {
        "scheduler": subprocess.Popen([*start, "--host", host, "--port", port], **quiet),
        "worker": subprocess.Popen([*join, "--no-dashboard", "--nthreads", "1"], **quiet),
    }

    def lose(done: int, total: int) -> None:
        if done:
            there[who].kill()
            monkeypatch.setattr(cluster, "_PATIENCE", 2.0)

    request = Request(source, tmp_path / "out.tif", **options)
    try:
        with pytest.raises(DeviceError, match="gone"):
            downscale(Request(**{**vars(request), "scheduler": ADDRESS}), progress=lose)
    finally:
        for process in there.values():
            process.kill()
            process.wait()
    assert list(tmp_path.glob(".out.tif.unfinished/*.npy"))
    again = downscale(Request(**{**vars(request), "resume": True}))
    np.testing.assert_array_equal(read(again.output), expected)
