"""Scenes to train on are looked at as those to downscale are, and the advice fits a folder."""

import json
import re

import numpy as np
import pytest
import rasterio

from tests.trust.rasters import FINE, detail, write
from tests.trust.refusal import Case, groklst, refuse
from tests.trust.value_cases import shell

TRUTH = (295 + 10 * detail(24, 24)).astype(np.float32)
RED = detail(24, 24).astype(np.float32)
OUTSIDE = np.add.outer(np.arange(96), np.arange(96)) < 30
CODES = np.random.default_rng(0).choice([10, 30, 50, 80], TRUTH.shape).astype(np.uint8)
TYPED = "prepare one --out set -s 4 --patch 16 --max-nodata 0.9"
SCENES = {
    "LST with -9999": ("lst", np.where(OUTSIDE, np.float32(-9999), TRUTH), {}, "exactly -9999"),
    "guide with -32768": ("red", np.where(OUTSIDE, np.float32(-32768), RED), {}, "exactly -32768"),
    "LST with old tags": ("lst", TRUTH, {"scale": 0.02}, "holds floats"),
    "guide with old tags": ("red", RED, {"scale": 1e-4}, "holds floats"),
}


def make(name: str, values: np.ndarray, options: dict[str, float]) -> None:
    for known, right in (("lst", TRUTH), ("red", RED)):
        own = (values, options) if known == name else (right, {})
        write(f"one/{known}.tif", own[0], FINE, **own[1])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_mended_as_the_line_says(name, capsys):
    which, values, options, says = SCENES[name]
    make(which, values, options)
    refuse(Case(name, TYPED, 3, (f"one/{which}.tif", says)), capsys)
    groklst(*TYPED.split(" "))
    shell(re.findall(r"with: (.+?)(?:; if it was measured|\n)", capsys.readouterr().err)[0])
    assert groklst(*TYPED.split(" ")) == 0


@pytest.mark.parametrize("which", ["lst", "red"])
def test_a_value_that_was_measured_is_kept_as_the_line_says(which, capsys):
    celsius = np.where(OUTSIDE, 0, TRUTH - 273.15).astype(np.float32)
    make(which, {"lst": celsius, "red": np.where(OUTSIDE, np.float32(-99), RED)}[which], {})
    assert groklst(*TYPED.split(" ")) == 3
    (named,) = re.findall(r"this one as (\S+)", capsys.readouterr().err)
    others = {"lst": f"{named} -g one/red.tif", "red": f"one/lst.tif -g {named}"}[which]
    assert groklst(*TYPED.replace("one", others).split(" ")) == 0


def test_classes_are_left_out_as_the_line_says(capsys):
    make("red", CODES, {})
    refuse(Case("classes", TYPED, 3, ("codes of classes", '"not_guides" in scene.json')), capsys)
    with open("one/scene.json", "w") as file:
        json.dump({"not_guides": ["red"]}, file)
    assert groklst(*TYPED.split(" ")) == 0


def test_a_doubt_is_told(capsys):
    make("red", np.where(OUTSIDE, 0, 0.7 + 0.2 * RED).astype(np.float32), {})
    assert groklst(*TYPED.split(" ")) == 0
    assert "are exactly 0" in capsys.readouterr().err
    with rasterio.open("one/red.tif") as red:
        assert red.nodata is None


EVALUATED = "evaluate --protocol wald_x4 --data one -m bicubic"


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_to_evaluate_is_mended_as_the_line_says(name, capsys):
    which, values, options, says = SCENES[name]
    make(which, values, options)
    refuse(Case(name, EVALUATED, 3, (f"one/{which}.tif", says)), capsys)
    groklst(*EVALUATED.split(" "))
    shell(re.findall(r"with: (.+?)(?:; if it was measured|\n)", capsys.readouterr().err)[0])
    assert groklst(*EVALUATED.split(" ")) == 0
