"""``groklst prepare`` and ``groklst train`` as they are typed."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from groklst_cli.app import app, run
from groklst_cli.pipeline.train.run_folder import STATE, load_state
from groklst_models.checkpoint import read_header
from tests.data.folders import write_groklst, write_scene

ROOT = Path(__file__).resolve().parents[2]
TINY = ["arguments.width=8", "arguments.stages=1", "arguments.blocks=1", "batch=2", "workers=0"]


def groklst(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def sets(*texts: str) -> list[str]:
    return [word for text in (*TINY, *texts) for word in ("--set", text)]


def test_from_scenes_to_a_fine_raster(tmp_path):
    near = write_scene(tmp_path / "near", (96, 24))
    far = write_scene(tmp_path / "far", (16, 16), seed=1, east=20_000)
    made = groklst("prepare", near, far, "--out", tmp_path / "set", "--scale", 2, "--patch", 16,
                   "--whole", "far=test", "--json", "-q")  # fmt: skip
    assert made.exit_code == 0
    facts = json.loads(made.stdout)
    assert facts["bands"] == ["green", "nir", "red"]
    assert facts["patches"]["test"] == 1
    trained = groklst("train", "--data", tmp_path / "set", "--out", tmp_path / "run", "--scale", 2,
                      "--band-dropout", 0.2, "-d", "cpu", *sets("steps=2", "crop=8"))  # fmt: skip
    assert trained.exit_code == 0
    checkpoint = Path(trained.stdout.strip())
    assert read_header(checkpoint).normalization.optional_bands
    assert "step 2/2" in trained.stderr
    card = groklst("models", checkpoint, "--json")
    assert json.loads(card.stdout)["training"]["options"]["band_dropout"] == 0.2
    fine = groklst("downscale", far / "lst.tif", tmp_path / "fine.tif", "-g", far / "red.tif",
                   "-s", 2, "-m", checkpoint, "-q")  # fmt: skip
    assert fine.exit_code == 0
    assert (tmp_path / "fine.tif").is_file()


def test_a_card_too_small_is_told_of_with_what_a_training_can_change(tmp_path, monkeypatch, capsys):
    def starve(training: object, batch: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("groklst_cli.pipeline.train.fit.train_step", starve)
    data = write_groklst(tmp_path / "set")
    words = ["train", "--data", data, "--out", tmp_path / "run", "--scale", 2, "-d", "cpu", "-q"]
    words += sets("steps=2", "crop=8", "bands=red,nir,dem")
    assert run(lambda: app([str(word) for word in words])) == 5
    told = capsys.readouterr().err
    assert "memory ran out (CUDA out of memory)" in told
    assert "--set batch=…" in told
    assert "--tile" not in told


def test_the_configuration_is_printed_whole_and_nothing_done(tmp_path):
    out = tmp_path / "run"
    told = groklst("train", "--out", out, "--scale", 4, "--set", "batch=7", "--print-config")
    facts = tomllib.loads(told.stdout)
    assert (facts["scale"], facts["batch"], facts["learning_rate"]) == (4, 7, 1e-4)
    assert not out.exists()


def start(folder: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "groklst_cli", "train", "--data", str(folder), "--out", str(out),
            "--scale", "2", "-d", "cpu", *sets(*more)]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_exit(tmp_path, number, code):
    out = tmp_path / "run"
    words = start(write_groklst(tmp_path / "set"), out, "steps=100000", "save_every=1")
    running = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("step"):
            break
    running.send_signal(number)
    _, rest = running.communicate(timeout=60)
    assert running.returncode == code
    assert "Traceback" not in rest
    assert load_state(out / STATE)["step"] >= 20


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_killed_run_leaves_a_whole_state(tmp_path):
    out = tmp_path / "run"
    folder = write_groklst(tmp_path / "set")
    words = start(folder, out, "steps=100000", "save_every=1", "validate_every=5")
    running = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("step"):
            break
    running.kill()
    running.communicate(timeout=60)
    step = load_state(out / STATE)["step"]
    assert step >= 19
    assert read_header(out / "last.safetensors").scores["step"] <= step


def test_what_is_wrong_is_one_line_and_a_code(tmp_path):
    words = [sys.executable, "-m", "groklst_cli", "train", "--out", str(tmp_path / "run")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "groklst: no training set was named; add --data DIR\n"
    done = subprocess.run([*words, "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3
    assert "options.toml" in done.stderr
