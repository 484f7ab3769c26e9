"""Scenes whose values mean something else than they seem to, and the following of advice."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.trust.rasters import FINE, Maker, detail, kelvin, write
from tests.trust.refusal import Case, groklst

SHARP = detail().astype(np.float32)
CELSIUS = (kelvin() - 273.15).astype(np.float32)
OUTSIDE = np.add.outer(np.arange(10), np.arange(12)) < 7
HOLES = np.kron(OUTSIDE, np.ones((4, 4))) > 0


def scene(lst: np.ndarray | None = None, guide: np.ndarray | None = None, **options) -> Maker:
    """Make a maker of ``lst.tif`` and ``guide.tif``; options are the guide's if it is given."""

    def make(folder: Path) -> None:
        own, others = ({}, options) if guide is not None else (options, {})
        write(folder / "lst.tif", kelvin() if lst is None else lst, **own)
        values = SHARP if guide is None else guide
        write(folder / "guide.tif", values, **{"transform": FINE} | others)

    return make


def command(*words: str) -> tuple[str, ...]:
    """Downscale quickly, with guides if there are any."""
    method = "ridge" if "-g" in words else "bicubic"
    return ("downscale", "-s", "4", "-q", "-m", method, *words)


def bad(name: str, make: Maker, *says: str, typed: str = "lst.tif", code: int = 3) -> object:
    """Put down a row: what is wrong, who makes it, words of the line in their order."""
    words = command(*typed.split(" "))
    return pytest.param(make, Case(name, words, code, says), id=name.replace(" ", "-"))


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must be refused, and return what it says."""
    assert groklst(*command(*words)) == 3
    return capsys.readouterr().err


def advised(line: str, pattern: str) -> list[str]:
    """Return the words that a line advises to type, as a shell splits them."""
    found = re.search(pattern, line)
    assert found, line
    return shlex.split(found[1])


def follow(*words: str) -> None:
    """Type what was advised, and see it succeed."""
    assert groklst(*command(*words, "--overwrite")) == 0


def shell(typed: str) -> None:
    """Run a command of a message as it is written, with this Python's programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(typed, shell=True, check=True, env=os.environ | {"PATH": path})
