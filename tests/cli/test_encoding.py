"""Terminals and pipes that cannot show every sign get what they can."""

import os
import subprocess
import sys

import numpy as np
import pytest
from affine import Affine


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("command", ["downscale --help", "models mocolsk"])
def test_a_sign_that_stdout_does_not_know_is_written_out(encoding, command):
    done = subprocess.run(
        [sys.executable, "-m", "groklst_cli", *command.split()],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"ocolsk" in done.stdout or b"Usage" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="there a name is always text")
def test_a_path_that_is_no_text_is_printed_after_the_work_is_done(write_raster, tmp_path):
    lst = np.full((8, 8), 300, "float32")
    write_raster("lst.tif", lst, Affine(240, 0, 500000, 0, -240, 4390000))
    done = subprocess.run(
        [sys.executable, "-m", "groklst_cli", "downscale", "lst.tif", "fine_é.tif", "-s", "2"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr[-500:]) == (0, done.stderr[-500:])
    assert done.stdout == b"fine_\\xe9.tif\n"
    assert (tmp_path / "fine_é.tif").exists()
