"""In the background: what a shell tells a process to ignore stays ignored, and tests do not mind.

A shell without job control starts what ends in ``&`` with SIGINT ignored.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from groklst_cli.app import run

TESTS = Path(__file__).resolve().parents[1]
STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
TELL = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


@contextmanager
def handled(number: int, by: object) -> Iterator[None]:
    before = signal.signal(number, by)
    try:
        yield
    finally:
        signal.signal(number, before)


def child_heeds() -> bool:
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_signal_that_is_ignored_stays_ignored(number, code):
    with handled(number, signal.SIG_IGN):
        assert run(lambda: signal.raise_signal(number)) == 0


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "code"), STOPS)
def test_any_other_ends_a_run(number, code, capsys):
    with handled(signal.SIGTERM, signal.SIG_DFL):
        assert run(lambda: signal.raise_signal(number)) == code
    assert capsys.readouterr().err in ("groklst: interrupted\n", "groklst: terminated\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows hands no ignored signals on")
def test_children_heed_ctrl_c_however_the_suite_was_started(request):
    with handled(signal.SIGINT, signal.SIG_IGN):
        assert not child_heeds()
        request.getfixturevalue("ctrl_c")
        assert child_heeds()


def test_every_test_that_interrupts_heeds_ctrl_c():
    files = [
        path for path in TESTS.rglob("test_*.py") if "signal.SIGINT" in path.read_text("utf-8")
    ]
    assert len(files) >= 5
    lax = [path.name for path in files if 'usefixtures("ctrl_c")' not in path.read_text("utf-8")]
    assert lax == []
