"""Text that somebody else has chosen reaches no terminal, page or table as it is."""

import csv
import io
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from groklst_cli.commands import console
from groklst_cli.errors import InputError
from groklst_cli.geo.metrics import Scores
from groklst_cli.pipeline.catalogue.methods import list_methods
from groklst_cli.pipeline.evaluate.contenders import Shown
from groklst_cli.pipeline.evaluate.report import Report
from groklst_cli.pipeline.evaluate.scoreboard import Evaluation, ImageOutcome
from groklst_cli.shown_text import cell, one_line, printable, traced
from tests.trust.refusal import groklst

ESCAPES = {
    "escape": "\x1b[2J",
    "title": "\x1b]0;owned\x07",
    "C1": "\x9b2J",
    "override": "\u202ecod.exe",
    "isolate": "\u2066x\u2069",
    "mark": "\u200f",
    "byte": "\udcff",
    "NUL": "\x00",
    "backspace": "\b\b",
    "tag": "\U000e0041",
    "line": "\u2028",
}


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_is_not_printed_is_written_out(text):
    for shown in (printable(f"a{text}b"), one_line(f"a{text}b"), cell(f"a{text}b")):
        assert shown.isprintable()
        assert shown.isascii()
        assert shown[0] + shown[-1] == "ab"


@pytest.mark.parametrize("text", ["a b", "été ☀ 日本", "x\\y", "$\\frac$", "🛰"])
def test_what_is_printed_stays(text):
    assert printable(text) == one_line(text) == cell(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C'!A0"])
def test_a_cell_that_would_be_a_formula_is_a_text(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("value", [-3.5, "-3.5", "+1e-3", "-inf", "nan", 0, None, "a=b", "", "x-y"])
def test_numbers_and_other_texts_stay_as_they_are(value):
    assert cell(value) is value or cell(value) == value


@pytest.mark.parametrize("text", ["escape", "C1", "override"])
def test_debug_shows_no_more_than_is_printed(tmp_path, monkeypatch, capfd, text):
    monkeypatch.chdir(tmp_path)
    for words in (["downscale", f"a{ESCAPES[text]}.tif"], ["info", f"a{ESCAPES[text]}.tif"]):
        assert groklst("--debug", *words) == 3
        err = capfd.readouterr().err
        assert "Traceback" in err
        assert not [c for c in err if not c.isprintable() and c not in "\n"]


def test_debug_of_many_scenes_shows_no_more_either(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("list.jsonl").write_text('{"lst": "a\\u001b[2J.tif"}\n')
    assert groklst("--debug", "downscale", "--batch-file", "list.jsonl", "-s", "4") == 6
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert not [c for c in err if not c.isprintable() and c not in "\n"]


def test_a_traceback_keeps_its_lines():
    try:
        raise InputError("a\x1b[2J\u202e")
    except InputError as error:
        text = traced(error)
    assert text.count("\n") > 2
    assert "a\\u001b[2J\\u202e" in text


NAMES = [
    "$\\frac$",
    "$x^{",
    "a\udcffb",
    "\x1b[2J",
    "\u202ecod.exe",
    "=1+1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "日本の地表面温度",
    "-m",
]


def evaluation(name: str) -> tuple[Evaluation, Shown]:
    truth = np.random.default_rng(0).normal(300, 5, (32, 32)).astype(np.float32)
    fine = truth + 1
    outcome = ImageOutcome(name, name, Scores.of(fine, truth))
    shown = Shown(name, truth[::4, ::4].copy(), truth, {name: fine}, {name: outcome})
    left_out = {name: f"{name} is too cold"}
    return Evaluation(name, [outcome], left_out=left_out, protocol={"data": name}), shown


@pytest.mark.parametrize("name", NAMES)
def test_a_report_of_any_name_is_made_and_says_no_more(tmp_path, name):
    found, shown = evaluation(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = Report(tmp_path / "report", overwrite=False)
        report.watch(shown)
        page = report.write(found).read_text(encoding="utf-8")
    words = re.sub(r"data:image/png;base64,[^\"]*", "", page)
    assert not [c for c in words if not c.isprintable() and c not in "\n\t"]
    assert "<script>alert" not in words
    assert "<img src=x" not in words


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_any_name_holds_no_formula(tmp_path, name):
    found, _ = evaluation(name)
    found.write_csv(tmp_path / "t.csv", overwrite=False)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text))
    for told in (row["image"], row["method"]):
        assert told.isprintable()
        assert not told.startswith(("=", "+", "-", "@"))
    assert float(row["bias"]) == pytest.approx(1, abs=1e-4)


def test_numbers_below_zero_stay_numbers_in_a_table(tmp_path):
    _, shown = evaluation("a")
    lower = ImageOutcome("a", "a", Scores.of(shown.truth - 3.5, shown.truth))
    Evaluation("a", [lower]).write_csv(tmp_path / "t.csv", overwrite=False)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text(encoding="utf-8")))
    assert float(row["bias"]) == pytest.approx(-3.5, abs=1e-4)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_list_of_methods_keeps_names_whole_on_any_terminal(monkeypatch, capsys, width):
    monkeypatch.setattr(console.stdout, "_width", width)
    monkeypatch.setattr(console.stdout, "_height", 25)
    assert groklst("models") == 0
    first = {line.split(" ")[0] for line in capsys.readouterr().out.splitlines()}
    assert {row["name"] for row in list_methods()} <= first


def command(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        check=False,
        env=os.environ | environment,
    )


LIBRARIES = """
import logging, sys, warnings
from groklst_cli import __main__
def application():
    import numpy as np, rasterio
    warnings.warn("from a library", RuntimeWarning)
    np.array([-1.797e308]).astype("f4")
    logging.getLogger("rasterio._env").error("CPLE_FileIO in disk full")
    {more}
__main__.run = application
sys.argv = ["groklst"]
__main__.main()
"""
GDAL_OF_ITSELF = """
    import ctypes, glob, os
    libs = os.path.join(os.path.dirname(os.path.dirname(rasterio.__file__)), "rasterio.libs")
    for name in glob.glob(os.path.join(libs, "libgdal*")):
        gdal = ctypes.CDLL(name)
        gdal.CPLError(3, 3, b"libtiff: no space left on device")
    return 0
"""


BY_ITSELF = 'import os; os.write(2, b"_tiffWriteProc: File too large."); return 0'
MORE = {"python": "return 0", "gdal": GDAL_OF_ITSELF.strip(), "libtiff": BY_ITSELF}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE.keys())
def test_no_line_of_a_library_reaches_stderr(tmp_path, more):
    done = command(LIBRARIES.replace("{more}", more), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_fault_of_ours_is_shown_without_what_a_terminal_obeys(tmp_path):
    done = command(LIBRARIES.replace("{more}", 'raise ValueError("a\\x1b[2J")'), tmp_path)
    assert done.returncode == 1
    assert b"Traceback" in done.stderr
    assert b"ValueError: a\\u001b[2J" in done.stderr
    assert b"\x1b" not in done.stderr


def test_a_full_disk_is_one_line(tmp_path, write_raster):
    if sys.platform == "win32":
        pytest.skip("Windows bounds no file's size")
    lst = np.random.default_rng(0).normal(300, 5, (40, 40)).astype(np.float32)
    write_raster("lst.tif", lst, Affine(240, 0, 5e5, 0, -240, 4.39e6))
    code = (
        "import resource, sys; from groklst_cli.__main__ import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "sys.argv = 'groklst downscale lst.tif o.tif -s 4 -m bicubic -q'.split(); main()"
    )
    done = command(code, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"groklst: ")
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert not (tmp_path / "o.tif").exists()
