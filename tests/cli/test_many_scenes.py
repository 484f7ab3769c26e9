"""Many scenes on the command line, as a person or a script meets them."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from affine import Affine

from groklst_cli.app import app, run
from tests.conftest import read

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)


@pytest.fixture
def scenes(write_raster, tmp_path, monkeypatch):
    """Three LSTs, a guide for all, a file that is no raster, and a folder for what is made."""
    rng = np.random.default_rng(0)
    red = rng.uniform(0.05, 0.5, (48, 40))
    write_raster("red.tif", red.astype(np.float32), FINE)
    for name in ("a.tif", "b.tif", "c.tif"):
        lst = 300 + 20 * red.reshape(12, 4, 10, 4).mean((1, 3)) + rng.normal(0, 0.1, (12, 10))
        write_raster(name, lst.astype(np.float32), COARSE)
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def groklst(*arguments: str) -> int:
    return run(lambda: app(["downscale", *arguments]))


def one_line(err: str) -> str:
    assert err.count("\n") == 1, err
    assert err.startswith("groklst: ")
    return err


def test_every_file_is_an_lst_with_an_out_dir(scenes, capsys):
    common = ["-g", "red.tif", "-s", "4", "-m", "ridge"]
    assert groklst("a.tif", "b.tif", "c.tif", "-O", "out", *common) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [os.path.join("out", f"{name}_x4.tif") for name in "abc"]
    assert "b.tif: method ridge" in err
    assert sorted(os.listdir("out")) == ["a_x4.tif", "b_x4.tif", "c_x4.tif"]
    assert groklst("b.tif", "alone.tif", *common, "-q") == 0
    np.testing.assert_array_equal(read("alone.tif"), read("out/b_x4.tif"))


def test_it_goes_on_after_a_bad_scene_and_says_which_failed_and_why(scenes, capsys):
    arguments = ["a.tif", "broken.tif", "absent.tif", "b.tif", "--out-dir", "out", "-q"]
    assert groklst(*arguments) == 6
    out, err = capsys.readouterr()
    assert out.splitlines() == [os.path.join("out", f"{name}_x8.tif") for name in "ab"]
    head, broken, absent, last = err.splitlines()
    assert head.split() == ["scene", "code", "why"]
    assert broken.split()[:2] == ["broken.tif", "3"]
    assert "cannot be read as a raster" in broken
    assert absent.split()[:2] == ["absent.tif", "3"]
    assert last.startswith("groklst: 2 of 4 scenes failed")
    assert sorted(os.listdir("out")) == ["a_x8.tif", "b_x8.tif"]


def test_json_is_one_record_a_scene(scenes, capsys):
    assert groklst("a.tif", "broken.tif", "-O", "out", "--json", "-q") == 6
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (done["lst"], done["status"], done["code"], done["error"]) == ("a.tif", "done", 0, None)
    assert done["output"] == os.path.join("out", "a_x8.tif")
    assert (done["height"], done["method"]) == (96, "bicubic")
    assert (failed["lst"], failed["status"], failed["code"]) == ("broken.tif", "failed", 3)
    assert failed["output"] == os.path.join("out", "broken_x8.tif")
    assert "cannot be read" in failed["error"]


def test_a_mended_scene_is_all_that_a_second_run_does(scenes, capsys):
    arguments = ["a.tif", "broken.tif", "-O", "out", "--json", "-q", "--skip-existing"]
    assert groklst(*arguments) == 6
    (scenes / "broken.tif").write_bytes((scenes / "b.tif").read_bytes())
    capsys.readouterr()
    assert groklst(*arguments) == 0
    records = map(json.loads, capsys.readouterr().out.splitlines())
    assert [record["status"] for record in records] == ["skipped", "done"]
    assert groklst("a.tif", "broken.tif", "-O", "out", "-q") == 6
    assert "exists; add --overwrite" in capsys.readouterr().err


def test_skip_existing_serves_a_single_scene(scenes, capsys):
    assert groklst("a.tif", "a8.tif", "-q", "--skip-existing") == 0
    made = os.stat("a8.tif").st_mtime_ns
    assert groklst("a.tif", "a8.tif", "--skip-existing") == 0
    assert "was finished by an earlier run" in capsys.readouterr().err
    assert os.stat("a8.tif").st_mtime_ns == made
    assert groklst("a.tif", "a8.tif", "--skip-existing", "-s", "4", "-q") == 4
    assert "of another run" in one_line(capsys.readouterr().err)


def test_a_dry_run_plans_each_and_writes_nothing(scenes, capsys):
    before = sorted(os.walk("."))
    assert groklst("a.tif", "broken.tif", "-O", "out", "--dry-run", "--json", "-q") == 6
    planned, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (planned["status"], planned["method"]) == ("planned", "bicubic")
    assert "estimate" in planned
    assert failed["status"] == "failed"
    assert sorted(os.walk(".")) == before


def test_debug_shows_where_a_scene_failed(scenes, capsys):
    command = ["--debug", "downscale", "broken.tif", "-O", "out", "-q"]
    assert run(lambda: app(command)) == 6
    assert "Traceback" in capsys.readouterr().err


LIST = """lst,output,guide,scale,model
a.tif,out/one.tif,red.tif,4,ridge
b.tif,out/two.tif,,2,
broken.tif,out/three.tif,,,
c.tif,,,,
"""


def test_a_list_says_what_differs_and_the_command_line_the_rest(scenes, capsys, monkeypatch):
    (scenes / "list.csv").write_text(LIST)
    monkeypatch.chdir(scenes / "out")
    arguments = ["--batch-file", "../list.csv", "-m", "bicubic", "-s", "3", "--json", "-q"]
    assert groklst(*arguments) == 6
    records = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [(r["status"], r.get("method"), r.get("scale")) for r in records] == [
        ("done", "ridge", 4),
        ("done", "bicubic", 2),
        ("failed", None, None),
        ("done", "bicubic", 3),
    ]
    assert sorted(os.listdir(scenes / "out")) == ["one.tif", "two.tif"]
    assert (scenes / "c_x3.tif").is_file()


def test_json_lines_do_the_same(scenes, capsys):
    guided = {"guide": ["red=red.tif,band=1"], "model": "ridge", "scale": 4}
    rows = [
        {"lst": "a.tif", "output": "out/one.tif", **guided},
        {"lst": "b.tif", "bounds": [500000, 4389000, 501200, 4390000], "dst_nodata": -9999},
        {"lst": "c.tif", "uncertainty": "out/sigma.tif", "output": "out/c.tif", "guide": None},
    ]
    (scenes / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert groklst("--batch-file", "list.jsonl", "-q", "--json", "-s", "8") == 0
    one, two, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (one["bands"], one["scale"]) == (["red"], 4)
    assert (two["output"], two["width"]) == ("b_x8.tif", 40)
    assert sorted(os.listdir("out")) == ["c.tif", "one.tif", "sigma.tif"]


@pytest.mark.parametrize("place", ["../x.tif", "/x.tif", "out/../../x.tif", "link/x.tif"])
@pytest.mark.parametrize("key", ["output", "uncertainty", "picture"])
def test_what_a_list_writes_stays_in_its_folder(scenes, capsys, key, place):
    folder = scenes / "inner"
    folder.mkdir()
    (folder / "out").mkdir()
    (folder / "link").symlink_to(scenes)
    (folder / "a.tif").write_bytes((scenes / "a.tif").read_bytes())
    rows = [{"lst": "a.tif"}, {"lst": "a.tif", "output": "out/a.tif", key: place}]
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert groklst("--batch-file", "inner/list.jsonl") == 2
    line = one_line(capsys.readouterr().err)
    assert "list.jsonl line 2: " in line
    assert "is outside" in line
    assert sorted(os.listdir(folder)) == ["a.tif", "link", "list.jsonl", "out"]


def test_an_out_dir_is_where_a_list_may_write(scenes, capsys):
    (scenes / "list.csv").write_text("lst,output\na.tif,x.tif\nb.tif,\n")
    assert groklst("--batch-file", "list.csv", "-O", "out", "-q") == 0
    assert sorted(os.listdir("out")) == ["b_x8.tif", "x.tif"]
    (scenes / "list.csv").write_text("lst,output\na.tif,../y.tif\n")
    assert groklst("--batch-file", "list.csv", "-O", "out", "-q") == 2
    assert "is outside out" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.tif", "b.tif", "c.tif"], "add --out-dir DIR"),
        (["a.tif", "b.tif", "-O", "out", "-o", "x.tif"], "leave one"),
        (["a.tif", "a.tif", "-O", "out"], "would both be written to"),
        (["a.tif", "out/../a.tif", "-O", "out"], "would both be written to"),
        (["a.tif", "b.tif", "-O", "out", "--uncertainty", "s.tif"], "would both be written to"),
        (["a.tif", "-O", "absent"], "create it first"),
        (["a.tif", "-O", "b.tif"], "not a folder"),
        (["a.tif", "--batch-file", "list.csv"], "cannot be used together with --batch-file"),
        (["--batch-file", "list.txt"], "name a .csv or .jsonl file"),
        (["--batch-file", "list.csv", "-o", "x.tif"], "leave one"),
        ([], "no LST was given"),
    ],
)
def test_usage_errors_come_before_anything_is_done(scenes, capsys, arguments, says):
    (scenes / "list.csv").write_text("lst\na.tif\n")
    before = sorted(os.walk("."))
    assert groklst(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in one_line(err)
    assert sorted(os.walk(".")) == before


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"scale": 1}, "scale 1 must be between 2 and 64"),
        ({"scale": 10**20}, "must be between 2 and 64"),
        ({"resampling": "best"}, "--resampling best"),
        ({"lst_units": "F"}, "--lst-units F"),
        ({"psf": -1}, "--psf -1"),
        ({"coregister": "1"}, "--coregister 1"),
        ({"conserve": "x"}, "--conserve x"),
        ({"bounds": [0, 1, 2]}, "are not four numbers"),
        ({"dst_nodata": "many"}, "dst_nodata many is not a number"),
        ({"guide": "red.tif,band=0"}, "N from 1"),
        ({"output": "out/a.tif"}, "would both be written to"),
    ],
    ids=str,
)
def test_a_line_that_does_not_make_sense_is_named_before_anything_is_done(
    scenes, capsys, row, says
):
    rows = [{"lst": "a.tif", "output": "out/a.tif"}, {"lst": "b.tif", **row}]
    (scenes / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert groklst("--batch-file", "list.jsonl") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in one_line(err)
    assert "both" in says or "list.jsonl line 2: " in err
    assert os.listdir("out") == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 143)],
)
def test_a_stop_stops_all_scenes_and_a_second_run_does_the_rest(
    scenes, write_raster, capsys, number, code
):
    rng = np.random.default_rng(0)
    write_raster("large.tif", rng.normal(300, 5, (700, 700)).astype(np.float32), COARSE)
    command = [sys.executable, "-m", "groklst_cli", "downscale", "a.tif", "large.tif", "b.tif"]
    command += ["-O", "out", "-m", "bicubic", "-s", "4", "--skip-existing", "--resume"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as running:
        try:
            until = time.monotonic() + 60
            rows, first = ".large_x4.tif.unfinished/lst-000001-*.npy", scenes / "out" / "a_x4.tif"
            while not (first.exists() and list((scenes / "out").glob(rows))):
                assert time.monotonic() < until
                time.sleep(0.005)
            running.send_signal(number)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == code
    finished = out.splitlines()  # with two at a time, b may be as well
    assert finished in (["out/a_x4.tif"], ["out/a_x4.tif", "out/b_x4.tif"])
    *_, told, last = err.splitlines()
    assert told == f"stopped; {len(finished)} of 3 scenes are done"
    assert last in ("groklst: interrupted", "groklst: terminated")
    left = {os.path.basename(path) for path in finished}
    made = set(os.listdir("out")) - {".large_x4.tif.unfinished"}
    assert left <= made <= {"a_x4.tif", "b_x4.tif"}  # b may be stopped before it can say so
    assert groklst(*command[4:], "--json") == 0
    out, err = capsys.readouterr()
    statuses = [json.loads(line)["status"] for line in out.splitlines()]
    assert statuses == ["skipped", "done", "skipped" if "b_x4.tif" in made else "done"]
    assert "from an earlier run" in err
    assert sorted(os.listdir("out")) == ["a_x4.tif", "b_x4.tif", "large_x4.tif"]


def test_a_list_names_masks_and_targets_for_each_scene(scenes, write_raster, tmp_path):
    clear = np.ones((48, 40), np.uint8)
    clear[:, :13] = 2
    (tmp_path / "list").mkdir()
    write_raster("list/clear.tif", clear, FINE)
    write_raster("list/like.tif", clear[:20, :20], FINE * Affine.scale(1.3))
    for name in ("a.tif", "b.tif", "red.tif"):
        (tmp_path / name).rename(tmp_path / "list" / name)
    lines = [
        {"lst": "a.tif", "guide": ["red.tif"], "mask": ["clear.tif:not=2"], "min_clear": 0},
        {"lst": "b.tif", "guide": ["red.tif"], "guide_mask": "red=clear.tif:not=2"},
        {"lst": "a.tif", "guide": ["red.tif"], "like": "like.tif", "output": "on_target.tif"},
    ]
    text = "".join(json.dumps({"scale": 4, "model": "ridge", **line}) + "\n" for line in lines)
    (tmp_path / "list" / "scenes.jsonl").write_text(text, encoding="utf-8")
    assert groklst("--batch-file", "list/scenes.jsonl", "-q") == 0
    np.testing.assert_array_equal(np.isfinite(read("list/a_x4.tif")), clear == 1)
    assert np.isfinite(read("list/b_x4.tif")).all()
    assert read("list/on_target.tif").shape == (20, 20)
