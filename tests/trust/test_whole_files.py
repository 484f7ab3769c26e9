"""Laws of every file that is made beside its place: its mode, its name, and what is left."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from groklst_cli.geo.durable import whole_file
from tests.trust.refusal import write_checkpoint

NAME = "ö" * 100 + ".safetensors"  # a longer one would leave no room for a name beside it
LONG = "n" * (255 - len(".safetensors")) + ".safetensors"


def write_text(path: Path) -> None:
    with whole_file(path) as made:
        made.write_text("whole")


WRITERS: list[Callable[[Path], None]] = [write_text, write_checkpoint]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells modes otherwise")
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002], ids=oct)
def test_others_may_read_what_the_umask_lets_them(tmp_path, write, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / NAME)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o666 & ~mask
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("write", WRITERS)
def test_the_umask_stays_as_it_is_for_every_other_thread(tmp_path, monkeypatch, write):
    """It is one for the process: to ask for it is to open what others make at that moment."""
    monkeypatch.setattr(os, "umask", lambda _mask: pytest.fail("the umask was changed"))
    write(tmp_path / NAME)


@pytest.mark.parametrize("write", WRITERS)
def test_a_name_as_long_as_any_may_be_can_be_written(tmp_path, write):
    write(tmp_path / LONG)
    assert os.listdir(tmp_path) == [LONG]


@pytest.mark.parametrize("write", WRITERS)
def test_on_an_error_what_stood_there_stays_and_nothing_else(tmp_path, monkeypatch, write):
    def refuse(*_names: object) -> None:
        raise OSError("no")

    (tmp_path / NAME).write_text("before")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        write(tmp_path / NAME)
    assert os.listdir(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "before"
