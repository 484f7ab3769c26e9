"""Laws of shared work: any number of processes, any of them lost, and the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from groklst_cli.errors import DeviceError, GroklstError, InputError, UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import cluster, making
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.ready import Ready
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")


@pytest.fixture
def request_of(write_raster, tmp_path):
    """Ask for a scene of five rows of tiles by a tiny network, or by another method."""
    rng = np.random.default_rng(0)
    lst = rng.normal(300, 5, (70, 24)).astype(np.float32)
    lst[20:30, 5:9] = np.nan
    write_raster("lst.tif", lst, NORTH)
    guide = rng.normal(0.3, 0.1, (280, 96)).astype(np.float32)
    write_raster("nir.tif", guide, NORTH * Affine.scale(1 / 4))
    normalization = Normalization(295, 5, (BandStatistics("nir", 0.3, 0.15),))
    header = Header(
        "mocolsk",
        4,
        normalization,
        {"width": 8, "stages": 2, "blocks": 1},
        tile=64,
        conserve=True,
    )
    torch.manual_seed(0)
    network = header.build_network()
    save(Checkpoint(header, network.state_dict()), tmp_path / "tiny.safetensors")

    def make(output: str, **options: object) -> Request:
        return Request(
            BandSource(str(tmp_path / "lst.tif")),
            tmp_path / output,
            [BandSource(str(tmp_path / "nir.tif"))],
            **{
                "scale": 4,
                "model": str(tmp_path / "tiny.safetensors"),
                "overlap": 16,
                "device": "cpu",
                **options,
            },
        )

    return make


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        values: np.ndarray = dataset.read(1)
    return values


def test_threads_do_not_change_a_bit(request_of):
    one, two, three = (
        read(downscale(request_of(f"{jobs}.tif", jobs=jobs)).output) for jobs in (1, 2, 3)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shared", [{"workers": 2}, {"device": "cpu,cpu"}, {"workers": 1, "jobs": 1}], ids=str
)
@pytest.mark.parametrize("options", [{}, {"model": "ridge", "tile": 64}], ids=["network", "ridge"])
def test_local_workers_make_the_same_bits(request_of, tmp_path, shared, options):
    alone = downscale(request_of("alone.tif", **options))
    together = downscale(request_of("together.tif", **{**options, **shared}))
    np.testing.assert_array_equal(read(together.output), read(alone.output))
    assert together.tiles == alone.tiles
    assert not list(tmp_path.glob(".*.unfinished"))


def test_workers_of_a_scheduler_make_the_same_bits(request_of):
    alone = downscale(request_of("alone.tif"))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address="localhost:0"
    ) as local:
        shared = downscale(request_of("shared.tif", scheduler=local.scheduler_address))
    np.testing.assert_array_equal(read(shared.output), read(alone.output))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_worker_that_is_killed_takes_nothing_with_it(request_of, tmp_path):
    expected = read(downscale(request_of("alone.tif")).output)
    request = request_of("out.tif", workers=2)
    command = [
        *(sys.executable, "-m", "groklst_cli", "downscale", request.lst.path, str(request.output)),
        *("-g", request.guides[0].path, "-s", "4", "-m", request.model, "--overlap", "16"),
        *("-d", "cpu", "--workers", "2", "-q"),
    ]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(tmp_path.glob(".out.tif.unfinished/*.npy")):
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    os.kill(worker_of(running.pid), signal.SIGKILL)
    _, errors = running.communicate(timeout=300)
    assert running.returncode == 0, errors
    np.testing.assert_array_equal(read(request.output), expected)


def worker_of(pid: int) -> int:
    """Find a Dask worker among the processes that a process has started."""
    import psutil

    workers = [
        child
        for child in psutil.Process(pid).children(recursive=True)
        if any("spawn_main" in part for part in child.cmdline())
    ]
    return workers[-1].pid


def test_an_error_in_a_worker_is_the_error_of_the_run(request_of, monkeypatch):
    def fails(*arguments: object) -> int:
        raise InputError("nir.tif is damaged")

    monkeypatch.setattr(cluster, "predict_group", fails)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="localhost:0"
        ) as local,
        pytest.raises(InputError, match="damaged"),
    ):
        downscale(request_of("out.tif", scheduler=local.scheduler_address))


def test_a_gpu_of_the_workers_need_not_be_here(request_of, monkeypatch):
    def predicted(task: cluster.Task, *rest: object) -> int:
        raise InputError(f"batches of {task.work.layout.batch}")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cluster, "predict_group", predicted)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="localhost:0"
    ) as local:
        address = local.scheduler_address
        for model, batch in (({}, 4), ({"model": "ridge"}, 1)):
            with pytest.raises(InputError, match=f"batches of {batch}"):
                downscale(request_of("out.tif", scheduler=address, device="cuda", **model))
    with pytest.raises(DeviceError, match="cuda is not available here"):
        downscale(request_of("out.tif", workers=2, device="cuda"))


def test_who_shares_the_work_leaves_the_gpu_to_the_others(request_of, monkeypatch):
    left: list[str] = []

    def emptied() -> None:
        left.append("memory that was kept")

    def moved(network: torch.nn.Module, device: str) -> torch.nn.Module:
        left.append(f"weights, to the {device}")
        return network

    load = Planned.ready

    def on_a_gpu(planned: Planned, *arguments: object, **options: object) -> Ready:
        ready = load(planned, *arguments, **options)
        ready.method.device = torch.device("cuda")
        monkeypatch.setattr(torch.nn.Module, "to", moved)
        return ready

    def opened(*arguments: object) -> None:
        raise InputError("so far")

    monkeypatch.setattr(Planned, "ready", on_a_gpu)
    monkeypatch.setattr(making, "open_cluster", opened)
    monkeypatch.setattr(torch.cuda, "empty_cache", emptied)
    with pytest.raises(InputError, match="so far"):
        downscale(request_of("out.tif", workers=2))
    assert left == ["weights, to the cpu", "memory that was kept"]


def test_what_cannot_be_is_refused(request_of, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    with pytest.raises(UsageError, match="name one of them"):
        downscale(request_of("out.tif", workers=2, scheduler="tcp://127.0.0.1:9"))
    with pytest.raises(DeviceError, match=r"--scheduler tcp://127\.0\.0\.1:9"):
        downscale(request_of("out.tif", scheduler="tcp://127.0.0.1:9"))
    with pytest.raises(GroklstError, match="cuda:7"):
        downscale(request_of("out.tif", device="cuda:7,cpu"))
