"""Laws of scenes side by side: none is another's business, and order is the list's."""

import multiprocessing
import os
import signal
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_cli.errors import UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import lanes as module
from groklst_cli.pipeline.downscale import memory
from groklst_cli.pipeline.downscale.lanes import downscale_scenes, lanes_for
from groklst_cli.pipeline.downscale.many_scenes import SceneOutcome
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Refused, Request
from groklst_cli.pipeline.predict import devices
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from tests.conftest import read

COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
FINE = COARSE * Affine.scale(1 / 4)


@pytest.fixture
def network(tmp_path):
    """A network of random weights whose tile is larger than the scenes."""
    header = Header(
        "mocolsk", 4, Normalization(300, 5, (BandStatistics("red", 0.3, 0.1),)),
        {"width": 8, "stages": 2, "blocks": 1}, tile=128,
    )  # fmt: skip
    torch.manual_seed(0)
    path = tmp_path / "network.safetensors"
    save(Checkpoint(header, header.build_network().state_dict()), path)
    return path


@pytest.fixture
def requests_of(write_raster, tmp_path):
    """Ask for small scenes with a guide each."""

    def make(names: str, **options: object) -> list[Request]:
        made = []
        for name in names:
            rng = np.random.default_rng(ord(name))
            red = rng.uniform(0.05, 0.5, (80, 64))
            lst = 300 + 20 * red.reshape(20, 4, 16, 4).mean((1, 3))
            write_raster(f"{name}_red.tif", red.astype(np.float32), FINE, names=("red",))
            write_raster(f"{name}.tif", lst.astype(np.float32), COARSE)
            form = {"scale": 4, "model": "bicubic", "jobs": 2, **options}
            source = BandSource(str(tmp_path / f"{name}.tif"))
            guides = [BandSource(str(tmp_path / f"{name}_red.tif"))]
            made.append(Request(source, tmp_path / f"{name}_fine.tif", guides, **form))
        return made

    return make


@pytest.mark.parametrize("model", ["bicubic", "ridge", "network"])
def test_each_map_has_the_bits_that_it_has_alone(requests_of, tmp_path, network, model):
    requests = requests_of("abcd", model=str(network) if model == "network" else model)
    outcomes = list(downscale_scenes(requests, 2))
    assert [outcome.error for outcome in outcomes] == [None] * 4
    for request in requests:
        alone = replace(request, output=tmp_path / "alone.tif", overwrite=True)
        downscale(alone)
        np.testing.assert_array_equal(read(request.output), read(alone.output))


def test_what_fails_leaves_the_others_and_the_order_alone(requests_of, tmp_path):
    requests = requests_of("abcde")
    (tmp_path / "a.tif").write_bytes(b"II*\0nothing")
    requests[2] = Refused.of(requests[2], UsageError("its folder says nonsense"))
    notes: list[str] = []
    steps: list[tuple[int, int]] = []
    made = list(
        downscale_scenes(
            requests, 2, note=notes.append, progress=lambda *step: steps.append(step)
        )
    )  # fmt: skip
    assert [outcome.request for outcome in made] == requests
    assert [outcome.status for outcome in made] == ["failed", "done", "failed", "done", "done"]
    assert [outcome.code for outcome in made] == [3, 0, 2, 0, 0]
    assert made[2].error == "its folder says nonsense"
    assert steps == [(number, 5) for number in range(1, 6)]
    assert notes[0] == "2 scenes at a time, on 1 thread each"
    assert sum(": scene " in note for note in notes) == 5
    assert all(note.startswith(str(tmp_path)) for note in notes[1:])


def test_a_process_that_dies_takes_its_scene_alone_with_it(requests_of):
    killed = []

    def kill(note: str) -> None:
        if ": method" in note and not killed:
            for child in multiprocessing.active_children():
                if child.name == "groklst-lane":
                    killed.append(child.pid)
                    os.kill(child.pid, signal.SIGKILL)

    outcomes = list(downscale_scenes(requests_of("abcdef"), 2, note=kill))
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    assert len(killed) == 2
    assert 1 <= len(failed) <= 2
    for outcome in failed:
        assert outcome.code == 1
        assert "died (signal 9); it may have lacked memory: use fewer --jobs" in outcome.error
    assert [outcome.status for outcome in outcomes[2:]] == ["done"] * 4


def test_whoever_stops_stops_all_and_leaves_whole_files(requests_of, tmp_path):
    with closing(downscale_scenes(requests_of("abcdef", model="ridge"), 2)) as scenes:
        assert next(scenes).status == "done"
    assert [c for c in multiprocessing.active_children() if c.name == "groklst-lane"] == []
    made = list(tmp_path.glob("*_fine.tif"))
    assert tmp_path / "a_fine.tif" in made
    assert all(np.isfinite(read(path)).all() for path in made)
    assert not list(tmp_path.glob(".*fine.tif.*/*.part"))


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interruption_brings_every_scene_that_was_finished(requests_of, tmp_path, at):
    def interrupt(done: int, total: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    outcomes = []

    def hear() -> None:
        for outcome in downscale_scenes(requests_of("abcdef"), 2, progress=interrupt):
            outcomes.append(outcome)

    with pytest.raises(KeyboardInterrupt):
        hear()
    assert [c for c in multiprocessing.active_children() if c.name == "groklst-lane"] == []
    brought = {outcome.request.output for outcome in outcomes}
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert len(brought) >= at
    made = set(tmp_path.glob("*_fine.tif"))
    assert brought <= made
    assert len(made - brought) <= 1  # the other lane may be stopped before it can say so


def test_collisions_are_found_before_anything_is_made(requests_of, tmp_path):
    first, second = requests_of("ab")
    scenes = downscale_scenes([first, replace(second, output=first.output)], 2)
    with pytest.raises(UsageError, match="would both be written"):
        next(scenes)
    assert not first.output.exists()


class Odd(Exception):
    """Cannot be made again of what it says."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("no;\nyes"), 2, "no; yes"),
        (MemoryError(), 5, "out of memory"),
        (Odd("far", "away"), 1, "Odd: far away"),
        (RuntimeError("CUDA out of memory"), 5, "RuntimeError: CUDA out of memory"),
    ],
)
def test_a_failure_says_elsewhere_what_it_says_here(requests_of, error, code, line):
    (request,) = requests_of("a")
    here = SceneOutcome(request, "failed", {}, error)
    assert (here.code, here.error) == (code, line)
    there = module._portable(here)
    assert (there.code, there.error) == (code, line)
    assert any("in process" in note for note in there.failure.__notes__)


def test_lanes_are_as_many_as_scenes_threads_and_memory_allow(requests_of, monkeypatch):
    requests = requests_of("abcd", jobs=8)
    monkeypatch.setattr(memory, "machine_memory", lambda: None)
    assert lanes_for(requests) == 4
    assert lanes_for(requests[:1]) == 1
    assert lanes_for(requests_of("abcd", jobs=3)) == 3
    assert lanes_for(requests_of("abcd", jobs=1)) == 1
    assert lanes_for(requests_of("abcd", jobs=2, workers=2)) == 1
    monkeypatch.setattr(memory, "machine_memory", lambda: 2**30 + 2**28)
    assert lanes_for(requests) == 2
    monkeypatch.setattr(memory, "machine_memory", lambda: 1)
    assert lanes_for(requests) == 1


def test_a_network_on_a_gpu_takes_one_scene_after_another(requests_of, network, monkeypatch):
    monkeypatch.setattr(devices, "find_device", lambda name: torch.device("cuda"))
    assert lanes_for(requests_of("ab", model=str(network))) == 1
    assert lanes_for(requests_of("ab", model="ridge")) == 2
    assert lanes_for([*requests_of("a"), *requests_of("b", model="no_such.safetensors")]) == 2
