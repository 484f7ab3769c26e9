"""Laws of power cuts: whatever the disk had not yet taken, the run goes on to the same pixels.

``VolatileDisk`` notes what was synced. Before each sync and each rename it makes images of what a
cut at this moment may leave: names and contents that were not synced are lost, or half lost.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from affine import Affine

from groklst_cli.errors import GroklstError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.train.run_folder import load_state, save_state
from groklst_models.checkpoint import Checkpoint, Header, load, save
from groklst_models.normalization import Normalization
from tests.conftest import read

if not sys.platform.startswith("linux"):
    pytest.skip("descriptors are traced to names by /proc", allow_module_level=True)

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
Names = dict[Path, dict[str, int]]


class VolatileDisk:
    """A folder that remembers what of it was synced.

    Attributes:
        images: Folders that a cut may leave, all different.
    """

    def __init__(self, root: Path, keep: Path) -> None:
        """Take all that is in ``root`` for synced; images come to lie in ``keep``."""
        self.root, self._keep = root, keep
        self.images: list[Path] = []
        self._seen: set[object] = set()
        self._contents: dict[int, bytes] = {}
        self._names: Names = {}
        keep.mkdir()
        for folder, _, files in os.walk(root):
            for name in files:
                self._sync_file(Path(folder, name))
            self._sync_folder(Path(folder))

    @contextmanager
    def spinning(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Watch syncs and renames."""
        fsync, replace = os.fsync, os.replace

        def watched_fsync(handle: int) -> None:
            self.cut()
            fsync(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            (self._sync_folder if path.is_dir() else self._sync_file)(path)

        def watched_replace(old: str | Path, new: str | Path) -> None:
            self.cut()
            replace(old, new)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", watched_fsync)
            patched.setattr(os, "replace", watched_replace)
            yield
        self.cut()

    def cut(self) -> None:
        """Make an image of each thing that may be left."""
        now = self._tree()
        both: dict[Path, bytes | int] = {**self._synced(Path()), **now}
        for left in (
            self._synced(Path()),
            {path: self._contents.get(i, b"") for path, i in now.items()},
            {path: self._contents.get(i, bytes(self._size(path))) for path, i in now.items()},
            {p: c if isinstance(c, bytes) else self._bytes(p) for p, c in both.items()},
            {path: self._bytes(path) for path in now},
        ):
            fingerprint = frozenset(left.items())
            if fingerprint not in self._seen:
                self._seen.add(fingerprint)
                self._draw(left)

    def _tree(self) -> dict[Path, int]:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root): path.stat().st_ino for path in files}

    def _synced(self, folder: Path) -> dict[Path, bytes]:
        left: dict[Path, bytes] = {}
        for name, inode in self._names.get(folder, {}).items():
            if folder / name in self._names:
                left |= self._synced(folder / name)
            elif inode in self._contents:
                left[folder / name] = self._contents[inode]
        return left

    def _draw(self, left: dict[Path, bytes]) -> None:
        image = self._keep / f"image-{len(self.images)}"
        image.mkdir()
        for path, contents in left.items():
            (image / path).parent.mkdir(parents=True, exist_ok=True)
            (image / path).write_bytes(contents)
        self.images.append(image)

    def _sync_file(self, path: Path) -> None:
        inode = path.stat().st_ino
        self._contents[inode] = path.read_bytes()
        if not (self._keep / str(inode)).exists():
            os.link(path, self._keep / str(inode))  # so that no other file gets its number

    def _sync_folder(self, path: Path) -> None:
        inside = {entry.name: entry.inode() for entry in os.scandir(path)}
        if path.is_relative_to(self.root):
            self._names[path.relative_to(self.root)] = inside

    def _bytes(self, path: Path) -> bytes:
        return (self.root / path).read_bytes()

    def _size(self, path: Path) -> int:
        return (self.root / path).stat().st_size


@pytest.fixture
def disk(tmp_path) -> Callable[[], VolatileDisk]:
    (tmp_path / "disk").mkdir()
    numbers = itertools.count()
    return lambda: VolatileDisk(tmp_path / "disk", tmp_path / f"kept-{next(numbers)}")


@pytest.fixture
def request_of(write_raster, tmp_path) -> Callable[..., Request]:
    lst = np.random.default_rng(0).normal(300, 5, (24, 10)).astype(np.float32)
    write_raster("lst.tif", lst, NORTH)

    def make(folder: Path, **options: object) -> Request:
        return Request(
            BandSource(str(tmp_path / "lst.tif")),
            folder / "fine.tif",
            **{"scale": 4, "model": "bicubic", "tile": 32, "jobs": 1, **options},
        )

    return make


def finished(request: Request) -> list[np.ndarray]:
    downscale(request)
    return [read(path) for path in request.targets]


def assert_equal(found: list[np.ndarray], right: list[np.ndarray]) -> None:
    for one, other in zip(found, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_disk_forgets_what_was_not_synced(tmp_path, disk, monkeypatch):
    volatile = disk()
    with volatile.spinning(monkeypatch):
        (volatile.root / "a.new").write_text("whole")
        os.replace(volatile.root / "a.new", volatile.root / "a")
    left = [{p.name: p.read_text() for p in image.iterdir()} for image in volatile.images]
    assert {} in left
    assert {"a": ""} in left
    assert {"a": "\0\0\0\0\0"} in left
    assert {"a": "whole"} in left


def test_a_run_goes_on_from_whatever_is_left(tmp_path, disk, request_of, monkeypatch):
    (tmp_path / "right").mkdir()
    sd = tmp_path / "right" / "sd.tif"
    right = finished(request_of(tmp_path / "right", uncertainty=sd))
    volatile = disk()
    with volatile.spinning(monkeypatch):
        downscale(request_of(volatile.root, uncertainty=volatile.root / "sd.tif"))
    assert len(volatile.images) > 20
    for image in volatile.images:
        request = request_of(image, uncertainty=image / "sd.tif", resume=True)
        for path, pixels in zip(request.targets, right, strict=True):
            if path.exists():
                np.testing.assert_array_equal(read(path), pixels)
        assert_equal(finished(request), right)
        assert sorted(os.listdir(image)) == ["fine.tif", "sd.tif"]


def test_rows_of_another_run_are_never_taken_for_ours(tmp_path, disk, request_of, monkeypatch):
    one, other = {"model": "bicubic"}, {"model": "nearest"}
    right = []
    for number, options in enumerate((one, other)):
        (tmp_path / str(number)).mkdir()
        right.append(finished(request_of(tmp_path / str(number), **options)))
    folder = tmp_path / "disk"

    def stop(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downscale(request_of(folder, **one), progress=stop)
    volatile = disk()
    with volatile.spinning(monkeypatch):
        downscale(request_of(volatile.root, **other, overwrite=True))
    refused = 0
    for image in volatile.images:
        for options, pixels in ((one, right[0]), (other, right[1])):
            copy = Path(shutil.copytree(image, tmp_path / "copy"))
            try:
                assert_equal(finished(request_of(copy, **options, resume=True)), pixels)
            except GroklstError:
                refused += 1
            shutil.rmtree(copy)
    assert 0 < refused < 2 * len(volatile.images)


@pytest.mark.parametrize("kind", ["state", "checkpoint"])
def test_weights_are_the_old_or_the_new_and_last(tmp_path, disk, monkeypatch, kind):
    def write(folder: Path, step: int) -> None:
        if kind == "state":
            save_state({"step": step}, folder / "saved")
            return
        header = Header("mocolsk", 4, Normalization(295, 5), training={"step": step})
        save(Checkpoint(header, {"w": torch.full((9,), step)}), folder / "saved")

    def step_of(folder: Path) -> int:
        if kind == "state":
            return int(load_state(folder / "saved")["step"])
        checkpoint = load(folder / "saved")
        assert (checkpoint.weights["w"] == checkpoint.header.training["step"]).all()
        return int(checkpoint.header.training["step"])

    write(tmp_path / "disk", 1)
    volatile = disk()
    with volatile.spinning(monkeypatch):
        write(volatile.root, 2)
    steps = [step_of(image) for image in volatile.images]
    assert set(steps) == {1, 2}
    assert steps[-1] == 2
    volatile.images.clear()
    volatile.cut()
    assert volatile.images == []  # nothing is left to be lost
