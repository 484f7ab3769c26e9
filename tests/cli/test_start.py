"""Who asks for help, a list or an explanation, or mistypes, does not wait for large libraries."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from groklst_cli.app import app
from groklst_cli.errors import InputError
from groklst_cli.geo.absent import refuse_absent
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.opening import open_raster
from groklst_models.registry import REGISTRY
from tests.models.test_contract import FITTED

COARSE = Affine(240, 0, 500000, 0, -240, 4400000)
COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]

LARGE = ("torch", "scipy", "sklearn", "lightning_fabric", "matplotlib", "xarray", "dask", "h5py")
UNUSED = tuple(name for name in LARGE if name != "torch")

WITHOUT_ERROR = [
    ["--version"],
    ["--help"],
    *([command, "--help"] for command in COMMANDS),
    ["models"],
    ["models", "--json"],
    ["models", "mocolsk"],
    ["models", "ridge", "--json"],
    ["info", "lst.tif"],
    ["info", "lst.tif", "red.tif", "--json"],
    ["downscale", "--print-config"],
    ["train", "--print-config"],
]

ERRORS = [
    (2, ["nonsense"]),
    (2, ["downscale"]),
    (2, ["downscale", "lst.tif", "--tile", "none"]),
    (2, ["downscale", "lst.tif", "-m", "nonsense"]),
    (2, ["downscale", "lst.tif", "-m", "mocolsk"]),
    (2, ["downscale", "lst.tif", "-m", "ridge"]),
    (2, ["downscale", "lst.tif", "-g", "red.tif", "-s", "8", "--tile", "9"]),
    (2, ["downscale", "lst.tif", "--noise", "cold"]),
    (2, ["downscale", "a.tif", "b.tif", "c.tif"]),
    (3, ["downscale", "absent.tif"]),
    (3, ["downscale", "lst.tif", "-g", "absent.tif", "fine.tif"]),
    (3, ["downscale", "words.txt", "fine.tif"]),
    (3, ["downscale", "lst.tif", "--bounds", "0", "0", "1", "1", "fine.tif"]),
    (4, ["downscale", "lst.tif", "red.tif", "--model", "bicubic"]),
    (2, ["downscale", "lst.tif", "--out-dir", "absent"]),
    (3, ["downscale", "--batch-file", "absent.csv"]),
    (2, ["models", "nonsense"]),
    (3, ["models", "words.txt"]),
    (3, ["info", "absent.tif"]),
    (3, ["info", "absent.safetensors"]),
    (2, ["train", "--set", "batch=0"]),
    (2, ["train"]),
    (3, ["train", "--data", "absent"]),
    (3, ["train", "absent.toml"]),
    (2, ["train", "--model", "ridge"]),
    (2, ["evaluate", "--data", "absent"]),
    (3, ["evaluate", "--data", "absent", "-m", "ridge"]),
    (2, ["evaluate", "--data", "absent", "--protocol", "nonsense"]),
    (2, ["evaluate", "--pred", "lst.tif", "--ref", "lst.tif", "--fail-if", "rmse"]),
    (3, ["evaluate", "--pred", "absent.tif", "--ref", "lst.tif"]),
    (3, ["prepare", "absent", "--out", "patches"]),
    (3, ["ingest", "absent", "--out", "scene"]),
]

DRIVER = """
import json, sys
from groklst_cli.app import run

commands, large, told = json.loads(sys.argv[1])
with open(told, "w") as file:
    for words in commands:
        sys.argv = ["groklst", *words]
        code = run()
        print(json.dumps([words, code, sorted(set(sys.modules) & set(large))]), file=file)
"""
"""Runs commands one after the other: what one of them loads stays, and is told of it."""


@pytest.fixture
def place(write_raster, tmp_path) -> Path:
    rng = np.random.default_rng(0)
    write_raster("lst.tif", rng.normal(300, 3, (8, 8)).astype(np.float32), COARSE)
    fine = rng.random((64, 64)).astype(np.float32)
    write_raster("red.tif", fine, COARSE * Affine.scale(1 / 8))
    (tmp_path / "words.txt").write_text("words")
    return tmp_path


def run_all(
    place: Path, commands: Sequence[Sequence[str]], large: Sequence[str]
) -> list[tuple[list[str], int, list[str]]]:
    """Run commands in one fresh process; return each with its exit code and what is loaded."""
    told = place / "told"
    subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps([commands, large, str(told)])],
        cwd=place,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    )
    return [tuple(json.loads(line)) for line in told.read_text().splitlines()]


def test_light_commands_load_no_large_library(place):
    expected = [(words, 0) for words in WITHOUT_ERROR] + [(words, code) for code, words in ERRORS]
    found = run_all(place, [words for words, _ in expected], LARGE)
    assert [(words, code) for words, code, _ in found] == expected
    assert [(words, loaded) for words, _, loaded in found if loaded][:1] == []


def test_completion_loads_no_large_library():
    told = (
        "import sys; from groklst_cli.app import run; code = run(); sys.stdout.flush();"
        f"sys.exit(sorted(set(sys.modules) & set({LARGE!r})) or code)"
    )
    line = "groklst downscale lst.tif --model ri"
    done = subprocess.run(
        [sys.executable, "-c", told],
        env={**os.environ, "_GROKLST_COMPLETE": "complete_bash", "COMP_WORDS": line,
             "COMP_CWORD": "4"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["ridge"], "")


def test_linear_methods_load_torch_alone(place):
    commands = [
        ["downscale", "lst.tif", f"{method}.tif", "-g", "red.tif", "-m", method, "-q"]
        for method in ("bicubic", "ridge")
    ]
    for _, code, loaded in run_all(place, commands, UNUSED):
        assert (code, loaded) == (0, [])


@pytest.mark.parametrize("name", FITTED)
def test_the_registry_says_of_guidance_what_the_class_says(name):
    method = REGISTRY[name].load()
    said = "needed" if method.needs_guide else "used" if method.uses_guide else "ignored"
    assert REGISTRY[name].guidance == said


def test_a_file_that_is_not_there_is_told_of_as_who_opens_it_tells(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("absent.tif", "a folder/absent.TIFF", "absent.tif,band=2"):
        with pytest.raises(InputError) as early:
            refuse_absent([text])
        with pytest.raises(InputError) as late:
            open_raster(BandSource.parse(text).path)
        assert str(early.value) == str(late.value)
    refuse_absent(
        [
            "lst=absent.tif",
            "/vsizip/a.zip/b.tif",
            "NETCDF:a.nc:b.tif",
            "https://x/y.tif",
            "absent.nc",
            "",
        ]
    )
