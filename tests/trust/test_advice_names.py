"""Laws of commands that a line names: pasted into a shell, they work whatever a file is called."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from groklst_cli.data.patches import Manifest
from groklst_cli.errors import InputError
from groklst_cli.geo.classes import one_band_a_class
from groklst_cli.geo.containers import running
from tests.trust.broken import huge_sparse
from tests.trust.rasters import Maker, guide, kelvin, lst
from tests.trust.refusal import groklst
from tests.trust.test_containers import raw_vrt

NAMES = ["it's my lst", 'a $HOME `b` "c"; (d) & !é']
PROGRAMS = {
    "python": [sys.executable],
    "rio": [sys.executable, "-c", "from rasterio.rio.main import main_group; main_group()"],
}

ODD = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its shell quotes otherwise")


def paste(command: str) -> None:
    """Run a command in a shell that knows the programs that are installed here."""
    known = [f'{name}() {{ {shlex.join(words)} "$@"; }}' for name, words in PROGRAMS.items()]
    script = "\n".join([*known, command])
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def advised(make: Maker, made: str, called: str, capfd, command: str) -> str:
    """Make a file, call it otherwise, have it refused, and return the command that is named."""
    make(Path())
    Path(made).rename(called)
    assert groklst("downscale", "-s", "4", "-m", "bicubic", "-q", called, "o.tif") == 3
    told = re.search(command, capfd.readouterr().err)
    assert told
    return told[1]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@ODD
def test_a_raw_vrt_is_converted(capfd, name):
    paste(advised(raw_vrt, "lst.vrt", f"{name}.vrt", capfd, r"with: (rio convert .*)"))
    with rasterio.open("FILE.tif") as made:
        np.testing.assert_array_equal(made.read(1), kelvin())


@ODD
def test_zeros_are_declared(capfd, name):
    zeros = lst(np.zeros((10, 12), np.float32))
    command = r"with: (rio edit-info .*), or add"
    paste(advised(zeros, "lst.tif", f"{name}.tif", capfd, command))
    with rasterio.open(f"{name}.tif") as made:
        assert made.nodata == 0


@ODD
def test_a_huge_raster_is_cut(capfd, name):
    paste(advised(huge_sparse, "lst.tif", f"{name}.tif", capfd, r"as in: (rio clip .*)"))
    with rasterio.open("part.tif") as made:
        assert made.shape == (5000, 100)


@ODD
def test_classes_become_guides(name):
    codes = np.arange(40 * 48, dtype=np.uint8).reshape(40, 48) % 3
    guide(codes)(Path())
    Path("guide.tif").rename(f"{name}.tif")
    paste(one_band_a_class(f"{name}.tif").partition("with: ")[2])
    for code in range(3):
        with rasterio.open(f"class_{code}.tif") as made:
            np.testing.assert_array_equal(made.read(1), codes == code)


@ODD
def test_python_reaches_the_shell_as_it_is(name):
    paste(running(f"open('out', 'w').write({name!r})"))
    assert Path("out").read_text() == name


def test_a_folder_without_patches_is_named_as_a_word():
    Path("my set").mkdir()
    with pytest.raises(InputError, match="--out 'my set'"):
        Manifest.read(Path("my set"))
