"""Laws of the batch that a GPU gets: it depends on the scene and on memory, and on nothing else.

And of the time that a run will take, which batches under way on one GPU do not share.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

from groklst_cli.pipeline.predict.batch import fitting_batch
from groklst_cli.pipeline.predict.layout import Layout
from groklst_cli.pipeline.predict.ready import Ready
from groklst_cli.pipeline.predict.settings import Settings
from groklst_models.contract import Tiles

ONE = Layout.of((64, 64), tile=64, overlap=8, halo=0)
MANY = Layout.of((640, 640), tile=64, overlap=8, halo=0)


@dataclass
class OnAGpu:
    """Pretends to run batches on a GPU that holds so many tiles."""

    room: int = 999
    words: str = ""
    scale: int = 1
    device: object = field(default_factory=lambda: SimpleNamespace(type="cuda"))
    tried: list[int] = field(default_factory=list)

    def predict(self, tiles: Tiles) -> torch.Tensor:
        self.tried.append(len(tiles.lst))
        if len(tiles.lst) > self.room and self.words:
            raise RuntimeError(self.words)
        if len(tiles.lst) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return tiles.lst


@pytest.fixture(autouse=True)
def _without_a_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


@pytest.mark.parametrize(
    ("room", "expected"), [(999, 4), (8, 4), (7, 2), (4, 2), (3, 1), (2, 1), (1, 1)]
)
def test_two_batches_fit_into_memory_or_the_note_says_so(room, expected):
    notes: list[str] = []
    assert fitting_batch(OnAGpu(room), MANY, 2, notes.append) == expected
    assert bool(notes) == (expected < 4)


def test_nothing_is_timed_and_little_is_tried():
    method = OnAGpu()
    fitting_batch(method, MANY, 2, print)
    assert method.tried == [8]


def test_one_draw_is_tried_however_many_are_asked_for():
    @dataclass
    class Drawing(OnAGpu):
        samples: int = 1024
        seed: int = 0
        uses_guide: bool = True
        halo: int = 0
        concurrent: bool = False
        drawn: list[int] = field(default_factory=list)

        def draws(self, tiles: Tiles, samples: int) -> Iterator[torch.Tensor]:
            self.drawn.append(samples)
            yield self.predict(tiles)

    method = Drawing(room=7)
    assert fitting_batch(method, MANY, 2, lambda text: None) == 2
    assert (method.drawn, method.tried) == ([1, 1], [8, 4])


def test_a_scene_of_one_tile_has_batches_of_one_and_nothing_to_try():
    method = OnAGpu()
    assert fitting_batch(method, ONE, 2, print) == 1
    assert method.tried == []


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 9.00 GB)",
    ],
)
def test_memory_runs_out_in_several_words(words):
    assert fitting_batch(OnAGpu(4, words), MANY, 2, lambda text: None) == 2


def test_another_fault_is_not_taken_for_too_little_memory():
    with pytest.raises(RuntimeError, match="device-side assert"):
        fitting_batch(OnAGpu(4, "CUDA error: device-side assert triggered"), MANY, 2, print)


def test_the_cpu_gets_a_tile_at_a_time():
    method = OnAGpu(device=torch.device("cpu"))
    assert fitting_batch(method, MANY, 2, print) == 1
    assert method.tried == []


@pytest.mark.parametrize(
    ("kind", "devices", "at_once", "processes", "expected"),
    [
        ("cuda", "cuda", 2, 0, 1),
        ("cuda", "cuda:1", 2, 4, 1),  # four processes on one card
        ("cuda", "cuda:0,cuda:1", 2, 2, 2),
        ("mps", "mps", 1, 0, 1),
        ("cpu", "auto", 3, 0, 3),
        ("cpu", "cpu", 2, 4, 8),
        ("cpu", "cuda:0,cuda:1", 1, 2, 2),  # a fitted method
    ],
)
def test_time_is_divided_by_what_computes_side_by_side(kind, devices, at_once, processes, expected):
    method = OnAGpu(device=torch.device(kind))
    work = SimpleNamespace(settings=Settings(device=devices))
    assert Ready(work, None, method, at_once).lanes(processes) == expected
