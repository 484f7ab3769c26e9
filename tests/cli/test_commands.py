"""The command line as a person or a script meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from groklst_cli.app import run
from groklst_models.checkpoint import Checkpoint, Header, save
from groklst_models.normalization import BandStatistics, Normalization
from groklst_models.registry import build
from groklst_models.toolkit import published_form
from tests.conftest import read

COARSE = Affine(240, 0, 500000, 0, -240, 4390000)
FINE = COARSE * Affine.scale(1 / 4)


@pytest.fixture
def files(write_raster, tmp_path, monkeypatch):
    """An LST and two guides that explain it, in the current folder."""
    rng = np.random.default_rng(0)
    red, nir = rng.uniform(0.05, 0.5, (2, 80, 88))
    truth = 300 - 30 * nir + 20 * red
    lst = truth.reshape(20, 4, 22, 4).mean((1, 3)).astype(np.float32)
    lst[3, 4] = np.nan
    write_raster("lst.tif", lst, COARSE)
    write_raster("red.tif", red.astype(np.float32), FINE)
    write_raster("nir.tif", nir.astype(np.float32), FINE)
    monkeypatch.chdir(tmp_path)
    return truth


def groklst(*arguments: str) -> int:
    from groklst_cli.app import app

    return run(lambda: app(list(arguments)))


def test_downscale_prints_the_output_and_nothing_else_on_stdout(files, capsys):
    assert groklst("downscale", "lst.tif", "-g", "red.tif", "-g", "nir.tif", "-s", "4") == 0
    out, err = capsys.readouterr()
    assert out == "lst_x4.tif\n"
    assert "method best" in err
    known = ~np.isnan(read("lst_x4.tif"))
    off = np.abs(read("lst_x4.tif") - files)[known]
    assert off.mean() < 0.35 * np.abs(files - files.mean()).mean()


def test_quiet_is_quiet_and_json_is_json(files, capsys):
    assert groklst("downscale", "lst.tif", "out.tif", "-s", "2", "-q", "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    result = json.loads(out)
    assert result["output"] == "out.tif"
    assert result["method"] == "bicubic"
    assert (result["height"], result["width"]) == (40, 44)


def test_a_dry_run_plans_and_writes_nothing(files, capsys):
    before = sorted(os.listdir())
    assert groklst("downscale", "lst.tif", "-g", "red.tif", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["bands"] == ["red"]
    assert sorted(os.listdir()) == before


def test_an_existing_output_is_code_4_and_overwrite_replaces_it(files, capsys):
    open("out.tif", "w").close()
    assert groklst("downscale", "lst.tif", "out.tif") == 4
    assert "--overwrite" in capsys.readouterr().err
    assert groklst("downscale", "lst.tif", "-o", "out.tif", "--overwrite", "-s", "2") == 0
    assert read("out.tif").shape == (40, 44)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["absent.tif"], 3, "cannot be read"),
        (["lst.tif", "-g", "absent.tif"], 3, "absent.tif"),
        (["lst.tif", "-m", "ridge"], 2, "--guide"),
        (["lst.tif", "-m", "mocolsk"], 2, "weights"),
        (["lst.tif", "--lst-units", "F"], 2, "K, C"),
        (["lst.tif", "--lst-units", "C"], 3, "--lst-units"),
        (["lst.tif", "--resampling", "best"], 2, "bilinear"),
        (["lst.tif", "--co", "COMPRESS"], 2, "KEY=VAL"),
        (["lst.tif", "--co", "NOPE=1"], 2, "COMPRESS"),
        (["lst.tif", "a.tif", "-o", "b.tif"], 2, "two outputs"),
        (["lst.tif", "absent/out.tif"], 2, "no folder"),
        (["lst.tif", "--tile", "7"], 2, "multiple"),
        (["lst.tif", "--batch", "0"], 2, "at least 1"),
        (["lst.tif", "--batch", "many"], 2, "at least 1"),
        (["lst.tif", "--workers", "2", "--scheduler", "tcp://h:1"], 2, "name one of them"),
        (["lst.tif", "--bounds", "0", "0", "1", "1"], 3, "outside"),
        (["lst.tif", "--picture", "lst.tif"], 2, "an input"),
    ],
)
def test_errors_are_one_line_and_a_documented_code(files, capsys, arguments, code, says):
    before = sorted(os.listdir())
    assert groklst("downscale", *arguments, "-q") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("groklst: ")
    assert says in err
    assert sorted(os.listdir()) == before


def test_usage_errors_are_code_2(files, capsys):
    assert groklst("downscale", "lst.tif", "--scale", "1") == 2
    assert groklst("downscale") == 2
    assert groklst("nothing") == 2


def test_a_device_that_is_not_there_is_code_5(files, checkpoint):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    arguments = ["-g", "red.tif", "-g", "nir.tif", "-s", "4", "-m", checkpoint, "-d", "cuda"]
    assert groklst("downscale", "lst.tif", *arguments) == 5


@pytest.fixture
def checkpoint(tmp_path):
    bands = tuple(BandStatistics(name, 0.3, 0.15) for name in ("nir", "ndvi"))
    header = Header(
        "mocolsk", 4, Normalization(295, 5, bands), {"width": 8, "stages": 2, "blocks": 1}, tile=32
    )
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save(Checkpoint(header, header.build_network().state_dict()), path)
    return str(path)


def test_a_checkpoint_runs_with_bands_by_name_and_derived(files, checkpoint, capsys):
    guides = ["-g", "nir=nir.tif", "-g", "red.tif,band=1"]
    arguments = ["out.tif", *guides, "-s", "4", "-m", checkpoint]
    assert groklst("downscale", "lst.tif", *arguments, "--overlap", "8") == 0
    with rasterio.open("out.tif") as raster:
        assert raster.tags()["GROKLST_METHOD"].startswith("mocolsk sha256:")
        assert np.isnan(raster.read(1)).sum() == 16
    assert (
        groklst("downscale", "lst.tif", "b.tif", "-g", "nir.tif", "-s", "4", "-m", checkpoint) == 3
    )
    assert "missing ndvi" in capsys.readouterr().err
    assert groklst("downscale", "lst.tif", "b.tif", *guides, "-s", "8", "-m", checkpoint) == 2
    assert "--scale 4" in capsys.readouterr().err


def test_a_picture_is_drawn(files):
    assert groklst("downscale", "lst.tif", "-g", "red.tif", "-s", "4", "--picture", "p.png") == 0
    with open("p.png", "rb") as picture:
        assert picture.read(8) == b"\x89PNG\r\n\x1a\n"


def test_models_lists_and_describes(capsys, checkpoint):
    assert groklst("models") == 0
    assert "MoCoLSK-Net" in capsys.readouterr().out
    assert groklst("models", "--json") == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert {"bicubic", "ridge", "mocolsk"} <= set(names)
    assert groklst("models", checkpoint, "--json") == 0
    assert json.loads(capsys.readouterr().out)["network"] == "mocolsk"
    assert groklst("models", "nothing") == 2


def test_info_explains_rasters_and_checkpoints(files, capsys, checkpoint):
    assert groklst("info", "lst.tif", "red.tif", checkpoint, "--json") == 0
    lst, red, weights = json.loads(capsys.readouterr().out)
    assert lst["as_lst"].startswith("yes: 439 valid pixels in K")
    assert red["as_lst"].startswith("no: red.tif")
    assert "--guide nir=FILE" in weights["use"]
    assert groklst("info", "lst.tif") == 0
    assert "EPSG:32647" in capsys.readouterr().out
    assert groklst("info", "absent.safetensors") == 3


def test_import_refuses_what_is_no_toolkit_file(tmp_path, capsys):
    (tmp_path / "x.pth").write_bytes(b"nothing")
    out = str(tmp_path / "x.safetensors")
    assert groklst("import", str(tmp_path / "x.pth"), out, "-m", "mocolsk", "-s", "8") == 3
    assert groklst("import", str(tmp_path / "y.pth"), out, "-m", "mocolsk", "-s", "8") == 3
    assert groklst("import", str(tmp_path / "x.pth"), out, "-m", "none", "-s", "8") == 2
    assert not os.path.exists(out)


def published_srcnn(path: Path, width: int) -> str:
    """Save a tiny SRCNN as the published code names its tensors."""
    sizes = {"conv1": (width, 1, 9, 9), "conv2": (4, width, 1, 1), "conv3": (1, 4, 5, 5)}
    held = {}
    for layer, (out, *rest) in sizes.items():
        held |= {f"{layer}.weight": torch.rand(out, *rest), f"{layer}.bias": torch.rand(out)}
    torch.save({"state_dict": held}, path)
    return str(path)


def test_import_takes_other_widths_and_makes_what_downscale_takes(files, tmp_path, capsys):
    saved, out = published_srcnn(tmp_path / "a.pth", 8), str(tmp_path / "a.safetensors")
    assert groklst("import", saved, out, "-m", "srcnn", "-s", "4") == 3
    told = capsys.readouterr().err
    assert "'conv1.weight' has shape (8, 1, 9, 9)" in told
    assert told.count("\n") == 1
    widths = ("--set", "arguments.width=8", "--set", "arguments.mapped=4")
    assert groklst("import", saved, out, "-m", "srcnn", "-s", "4", *widths) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (f"{out}\n", "")
    assert groklst("models", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["arguments"] == {"width": 8, "mapped": 4}
    assert found["training"]["code"] == "GrokCV/GrokLST"
    assert groklst("downscale", "lst.tif", "fine.tif", "-m", out, "-q", "-d", "cpu") == 0


def test_models_tells_whose_weights_can_be_imported(capsys):
    assert groklst("models", "rcan", "--json") == 0
    assert json.loads(capsys.readouterr().out)["import"] == "weights of yulunzhang/RCAN"
    assert groklst("models", "dkn", "--json") == 0
    assert (
        "--accept-differences: the published code"
        in json.loads(capsys.readouterr().out)["only_with"]
    )
    assert groklst("models", "ridge", "--json") == 0
    assert "import" not in json.loads(capsys.readouterr().out)


def test_import_tells_what_is_not_as_published(tmp_path, capsys):
    saved, out = str(tmp_path / "a.pth"), str(tmp_path / "a.safetensors")
    sizes = {"width": 6, "maps": 1, "fusion_width": 4}
    form = published_form("djfr", scale=4, guide_channels=1, **sizes)
    ours = build("djfr", scale=4, guide_channels=1, **sizes).state_dict()
    held = {source.keys[0]: ours[name] for name, source in form.sources(ours).items()}
    torch.save({f"generator.{key}": tensor for key, tensor in held.items()}, saved)
    sets = [f"--set=arguments.{name}={value}" for name, value in sizes.items()]
    typed = ("import", saved, out, "-m", "djfr", "-s", "4", "--bands", "dem", *sets)
    assert groklst(*typed) == 0
    assert (
        "will not compute exactly as published: the published code pads convolutions"
        in capsys.readouterr().err
    )
    assert groklst(*typed, "--overwrite", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_python_m_runs_it_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "groklst_cli", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("groklst ")


def test_help_is_quick_because_nothing_heavy_is_imported():
    code = (
        "import sys; from groklst_cli.app import app, run; run(lambda: app(['--help']));"
        "print([m for m in ('torch', 'rasterio', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_a_stopped_run_leaves_no_output_and_is_gone_on_with(
    write_raster, tmp_path, monkeypatch, number, code
):
    rng = np.random.default_rng(0)
    write_raster("lst.tif", rng.normal(300, 5, (1000, 400)).astype(np.float32), COARSE)
    command = [sys.executable, "-m", "groklst_cli", "downscale", "lst.tif", "out.tif"]
    command += ["-m", "bicubic", "--resume"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(tmp_path.glob(".out.tif.unfinished/lst-000002-*.npy")):
        assert time.monotonic() < until
        time.sleep(0.005)
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert running.returncode == code
    assert err.splitlines()[-1] in ("groklst: interrupted", "groklst: terminated")
    assert sorted(os.listdir(tmp_path)) == [".out.tif.unfinished", "lst.tif"]
    monkeypatch.chdir(tmp_path)
    assert groklst(*command[3:]) == 0
    assert sorted(os.listdir(tmp_path)) == ["lst.tif", "out.tif"]
    assert groklst(*command[3:5], "whole.tif", "-m", "bicubic") == 0
    with rasterio.open(tmp_path / "out.tif") as resumed, rasterio.open(tmp_path / "whole.tif") as w:
        np.testing.assert_array_equal(resumed.read(1), w.read(1))
