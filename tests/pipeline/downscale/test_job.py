"""Laws of unfinished runs: nothing is lost, nothing wrong is trusted, nothing is done twice."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from filelock import FileLock

from groklst_cli.errors import GroklstError, InputError, OutputExistsError, UsageError
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale import run
from groklst_cli.pipeline.downscale.job import Job, Parts
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from groklst_models.fitted.bicubic import Bicubic

NORTH = Affine(240, 0, 500000, 0, -240, 4400000)
FACTS = {"the LST": "a", "--scale": "8"}


class Stopped(BaseException):
    """What kill -9 would do, without the kill."""


def job(tmp_path: Path, *, resume: bool = False, overwrite: bool = False, **facts: str) -> Job:
    return Job(tmp_path / "out.tif", FACTS | facts, resume=resume, overwrite=overwrite)


def left_with_a_row(tmp_path: Path, error: type[BaseException] = Stopped) -> None:
    def run() -> None:
        with job(tmp_path, overwrite=True) as begun:
            begun.parts("lst").save(3, np.ones((2, 2), np.float32))
            raise error

    with pytest.raises(error):
        run()


class TestJob:
    def test_a_finished_run_leaves_nothing(self, tmp_path):
        with job(tmp_path) as begun:
            begun.parts("lst").save(0, np.ones((2, 2), np.float32))
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("error", [Stopped, GroklstError, MemoryError])
    def test_finished_rows_outlast_a_failure_and_are_found_again(self, tmp_path, error):
        left_with_a_row(tmp_path, error)
        with job(tmp_path, resume=True) as again:
            parts = again.parts("lst")
            assert parts.done(3, (2, 2))
            assert not parts.done(2, (2, 2))
            np.testing.assert_array_equal(parts.load(3), np.ones((2, 2)))

    def test_bad_input_leaves_nothing(self, tmp_path):
        left_with_a_row(tmp_path, InputError)
        assert os.listdir(tmp_path) == []

    def test_an_unfinished_run_is_neither_dropped_nor_gone_on_with_unasked(self, tmp_path):
        left_with_a_row(tmp_path)
        with (
            pytest.raises(OutputExistsError, match="1 rows of tiles; add --resume"),
            job(tmp_path),
        ):
            pass
        with job(tmp_path, overwrite=True) as anew:
            assert not anew.parts("lst").done(3, (2, 2))

    def test_a_change_is_named(self, tmp_path):
        left_with_a_row(tmp_path)
        with (
            pytest.raises(UsageError, match="the LST was a and is now b; restore that"),
            job(tmp_path, resume=True, **{"the LST": "b"}),
        ):
            pass
        with job(tmp_path, resume=True) as still_there:
            assert still_there.parts("lst").done(3, (2, 2))

    def test_two_runs_do_not_write_one_output(self, tmp_path):
        with (
            job(tmp_path),
            pytest.raises(OutputExistsError, match="another process"),
            job(tmp_path, overwrite=True),
        ):
            pass

    def test_a_lock_of_a_process_that_is_gone_is_none(self, tmp_path):
        left_with_a_row(tmp_path)
        FileLock(tmp_path / ".out.tif.unfinished" / "lock").acquire().lock.release(force=True)
        with job(tmp_path, resume=True) as begun:
            assert begun.parts("lst").done(3, (2, 2))


class TestParts:
    @pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
    def test_what_is_damaged_is_not_trusted(self, tmp_path, damage):
        parts = Parts(tmp_path, "lst")
        parts.save(1, np.arange(6, dtype=np.float32).reshape(2, 3))
        (path,) = tmp_path.glob("*.npy")
        contents = bytearray(path.read_bytes())
        contents[-1] ^= 1
        path.write_bytes(bytes(contents) if damage is None else damage)
        assert not parts.done(1, (2, 3))
        assert os.listdir(tmp_path) == []

    def test_kinds_are_kept_apart(self, tmp_path):
        Parts(tmp_path, "lst").save(1, np.zeros((1, 1), np.float32))
        assert not Parts(tmp_path, "deviation").done(1, (1, 1))


class TestDownscale:
    def request(self, tmp_path: Path, write_raster, **options: object) -> Request:
        lst = np.random.default_rng(0).normal(300, 5, (50, 20)).astype(np.float32)
        if not (tmp_path / "lst.tif").exists():
            write_raster("lst.tif", lst, NORTH)
        source = BandSource(str(tmp_path / "lst.tif"))
        return Request(source, tmp_path / "out.tif", scale=4, model="bicubic", tile=32, **options)

    @pytest.mark.parametrize("after", [0, 1, 3, 6])
    def test_only_unfinished_rows_are_made_again(self, tmp_path, write_raster, monkeypatch, after):
        whole = downscale(self.request(tmp_path, write_raster))
        expected = read(whole.output)
        whole.output.unlink()
        rows = 0

        def save_until(parts: Parts, row: int, fine: np.ndarray) -> None:
            nonlocal rows
            if rows == after:
                raise Stopped
            rows += 1
            save(parts, row, fine)

        save = Parts.save
        with monkeypatch.context() as patched:
            patched.setattr(Parts, "save", save_until)
            with pytest.raises(Stopped):
                downscale(self.request(tmp_path, write_raster))
        assert not whole.output.exists()
        again = downscale(self.request(tmp_path, write_raster, resume=True))
        assert again.tiles == whole.tiles - 3 * after
        np.testing.assert_array_equal(read(again.output), expected)
        assert sorted(os.listdir(tmp_path)) == ["lst.tif", "out.tif"]

    def test_a_finished_run_is_not_run_again(self, tmp_path, write_raster, monkeypatch):
        downscale(self.request(tmp_path, write_raster))
        monkeypatch.setattr(Bicubic, "predict", None)
        again = downscale(self.request(tmp_path, write_raster, resume=True))
        assert again.tiles == 0

    def test_anothers_output_is_not_replaced(self, tmp_path, write_raster):
        (tmp_path / "out.tif").write_bytes(b"")
        with pytest.raises(
            OutputExistsError, match="exists, but is from another run; use --overwrite instead"
        ):
            downscale(self.request(tmp_path, write_raster, resume=True))
        write_raster("out.tif", np.full((3, 3), 300, np.float32), NORTH)
        with pytest.raises(OutputExistsError):
            downscale(self.request(tmp_path, write_raster, resume=True))

    def test_a_changed_input_is_refused_by_name(self, tmp_path, write_raster, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setattr(run, "_write", stopped)
            with pytest.raises(Stopped):
                downscale(self.request(tmp_path, write_raster))
        path = tmp_path / "lst.tif"
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(UsageError, match=r"the LST was lst\.tif of .* is now lst\.tif of"):
            downscale(self.request(tmp_path, write_raster, resume=True))


def stopped(*arguments: object) -> float:
    _, _, rows = arguments
    next(rows)
    raise Stopped


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        values: np.ndarray = dataset.read(1)
    return values
