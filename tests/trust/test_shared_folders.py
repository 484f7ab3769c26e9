"""Hidden folders that others made, filled or share; and what runs leave in them or beside them."""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from groklst_cli.errors import OutputExistsError
from groklst_cli.geo import private
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.workplace import Workplace
from groklst_cli.pipeline.downscale.one_scene import downscale
from groklst_cli.pipeline.downscale.request import Request
from tests.conftest import read
from tests.trust.refusal import Case, groklst, refuse, state

if os.name == "nt":
    pytest.skip("Windows tells owners and modes otherwise", allow_module_level=True)

from tests.trust.children import Fault

RUN = "downscale -q lst.tif -g red.tif -s 4 -m bicubic -o out.tif"
BESIDE = f"{RUN} --uncertainty sd.tif"
STRANGER = 54321
HIDDEN = Path(".out.tif.unfinished")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """End a test that waits for the other end of a pipe."""
    before = signal.signal(signal.SIGALRM, lambda number, frame: pytest.fail("it hangs"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@as_root
@pytest.mark.parametrize("name", [".out.tif.unfinished", ".sd.tif.unfinished"])
@pytest.mark.parametrize("option", ["", " --overwrite", " --resume"])
def test_a_folder_of_another_user_is_refused(scene, capsys, name, option):
    Path(name).mkdir(mode=0o700)
    os.chown(name, STRANGER, -1)
    refuse(Case("", BESIDE + option, 2, (name, "belongs to another user", "remove it")), capsys)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_a_folder_that_others_may_write_in_is_refused(scene, capsys, mode):
    HIDDEN.mkdir()
    HIDDEN.chmod(mode)
    refuse(
        Case("", f"{RUN} --resume", 2, (str(HIDDEN), "can be written by other users", "remove it")),
        capsys,
    )


def test_a_file_system_that_keeps_no_modes_is_no_reason(scene, monkeypatch):
    def opened(**where: str) -> str:
        Path(where["dir"], "probe").mkdir()
        Path(where["dir"], "probe").chmod(0o777)
        return os.path.join(where["dir"], "probe")

    HIDDEN.mkdir()
    HIDDEN.chmod(0o777)
    monkeypatch.setattr(private.tempfile, "mkdtemp", lambda **words: opened(dir=str(words["dir"])))
    private.refuse_shared(HIDDEN, 0o022)


@pytest.mark.parametrize("mask", [0, 0o002, 0o022])
def test_our_own_folders_are_shut_whatever_the_mask(scene, mask):
    before = os.umask(mask)
    try:
        place = Workplace(Path("out.tif"))
        place.enter()
        assert HIDDEN.stat().st_mode & 0o777 == 0o700
        place.leave(keep=False)
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["job.json", "job.json.new", "lst-000000-00000000.npy", "x.new"])
@pytest.mark.parametrize("option", ["", " --overwrite", " --resume"])
def test_no_pipe_is_waited_for(scene, name, option):
    HIDDEN.mkdir(mode=0o700)
    os.mkfifo(HIDDEN / name)
    assert groklst(*(RUN + option).split()) == 0
    assert read("out.tif").shape == (80, 88)


def test_a_pipe_in_the_place_of_rows_and_facts_is_gone_on_without(scene):
    HIDDEN.mkdir(mode=0o700)
    os.mkfifo(HIDDEN / "job.json")
    (HIDDEN / "lst-000000-00000000.npy").write_bytes(b"")
    assert groklst(*f"{RUN} --resume".split()) == 0


@pytest.mark.parametrize("name", ["job.json", "job.json.new", "batch.json", "batch.json.new"])
@pytest.mark.parametrize("option", ["", " --resume"])
def test_nothing_is_written_or_read_through_a_link(scene, name, option):
    Path("precious").write_text("years")
    HIDDEN.mkdir(mode=0o700)
    (HIDDEN / name).symlink_to("../precious")
    assert groklst(*(RUN + option).split()) == 0
    assert Path("precious").read_text() == "years"


def test_a_new_file_that_was_left_as_a_link_between_two_looks_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("years")
    (tmp_path / "new").symlink_to("precious")
    with pytest.raises(OSError, match="exists"):
        private.open_private(tmp_path / "new")
    with pytest.raises(OSError, match=r"links|link"):
        private.open_regular(tmp_path / "new")


@as_root
def test_a_training_run_of_another_user_is_not_resumed(scene, capsys):
    Path("run").mkdir()
    os.chown("run", STRANGER, -1)
    typed = "train -q --resume --out run"
    refuse(Case("", typed, 2, ("run belongs to another user", "copy the run")), capsys)


@pytest.mark.parametrize("held", ["sd.tif", "out.tif"])
def test_the_run_that_comes_second_leaves_nothing(scene, capsys, held):
    place = Workplace(Path(held))
    place.enter()
    try:
        refuse(Case("", BESIDE, 4, ("another process is writing " + held,)), capsys)
    finally:
        place.leave(keep=False)
    assert groklst(*BESIDE.split()) == 0


@pytest.mark.parametrize("taken", ["sd.tif", "out.tif", "p.png"])
def test_all_files_of_a_run_appear_or_none(scene, taken):
    request = Request(
        BandSource("lst.tif"),
        Path("out.tif"),
        guides=[BandSource("red.tif")],
        scale=4,
        model="bicubic",
        uncertainty=Path("sd.tif"),
        picture=Path("p.png"),
    )
    before = state(Path())

    def take(done: int, total: int) -> None:
        Path(taken).write_text("of others")

    with pytest.raises(OutputExistsError, match=taken):
        downscale(request, progress=take)
    assert Path(taken).read_text() == "of others"
    Path(taken).unlink()
    assert state(Path()) == before


def test_no_file_is_moved_from_folder_to_folder(scene, monkeypatch):
    """Two folders may lie on two file systems though their device number is one."""
    replace = os.replace

    def near(old: Path, new: Path) -> None:
        home = Path(new).parent.resolve()
        if not Path(old).resolve().is_relative_to(home):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(old, new)

    for name in ("a", "b", "c"):
        Path(name).mkdir()
    monkeypatch.setattr(os, "replace", near)
    typed = RUN.replace("out.tif", "a/out.tif")
    typed += " --uncertainty b/sd.tif --picture c/p.png"
    assert groklst(*typed.split()) == 0
    left = [path for path, _ in state(Path()) if path[1:2] == "/"]
    assert left == ["a/out.tif", "b/sd.tif", "c/p.png"]


@pytest.fixture
def far() -> Iterator[Path]:
    """A folder on another file system, where there is one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def test_what_a_killed_run_left_beside_another_file_goes_with_the_next(scene, far, children):
    typed = ["downscale", "-q", scene / "lst.tif", "-g", scene / "red.tif", "-s", "4"]
    typed += ["-m", "bicubic", "-o", scene / "out.tif", "--uncertainty", far / "sd.tif"]
    for call in (1, 2):
        fault = Fault("groklst_cli.geo.writer:ResultFile.finish", "after", call)
        assert children.run(*typed, "--resume", fault=fault).code == 137
    assert os.listdir(far) == [".sd.tif.unfinished"]
    assert children.run(*typed, "--resume").code == 0
    assert os.listdir(far) == ["sd.tif"]
    assert not (scene / HIDDEN).exists()
