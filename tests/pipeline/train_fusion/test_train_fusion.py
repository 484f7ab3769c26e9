"""A training of ``fusion`` from scene folders to a file that the method takes."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from groklst_cli.app import app
from groklst_cli.errors import InputError, OutputExistsError, UsageError
from groklst_cli.pipeline.catalogue.methods import describe
from groklst_cli.pipeline.train_fusion.fit import cases_of, conserving, training_scenes
from groklst_cli.pipeline.train_fusion.options import FusionOptions
from groklst_cli.pipeline.train_fusion.run import NAME, TrainedFusion
from groklst_models.checkpoint import fingerprint
from groklst_models.regression.fusion_weights import FusionWeights
from groklst_models.sampling.mean_spline import MeanSpline
from tests.data.folders import write_scene

RECIPE = """
network = "fusion"
seeds = [0, 1]
without = ["apart"]
aggregations = [1.0]
least_side = 48
steps = 3
batch = 2
crop = 48
width = 4
blocks = 1
[scales]
4 = 0.7
6 = 0.3
[lowest]
town = 250.0
[left_out]
town = [[[0, 0], [0, 20], [20, 20], [20, 0]]]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    for name in ("town", "apart"):
        write_scene(tmp_path / "scenes" / name, (100, 96))
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_weights_repeat_say_where_they_come_from_and_are_taken(recipe, tmp_path):
    scenes = tmp_path / "scenes"
    for name in ("first", "second"):
        done = run(recipe, "--data", scenes, "--out", tmp_path / name)
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{tmp_path / name / NAME}\n"
    first, second = (tmp_path / name / NAME for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    weights = FusionWeights.read(first)
    assert set(weights.facts["scenes"]) == {"town"}
    assert weights.facts["options"]["seeds"] == [0, 1]
    assert not torch.equal(weights.networks[0].head.weight, weights.networks[1].head.weight)
    again = run(recipe, "--data", scenes, "--out", tmp_path / "first")
    assert isinstance(again.exception, OutputExistsError)
    assert describe(str(first))["scenes"] == ["town"]
    made = downscale_with(first, scenes / "town", tmp_path / "made.tif")
    assert made != downscale_with("fusion", scenes / "town", tmp_path / "shipped.tif")


def downscale_with(model: Path | str, scene: Path, out: Path) -> bytes:
    arguments = ["downscale", scene / "lst.tif", "-g", scene / "red.tif", "-s", 2, "-o", out]
    done = CliRunner().invoke(app, [*map(str, arguments), "-m", str(model)])
    assert done.exit_code == 0, done.stderr
    return out.read_bytes()


def test_without_recipe_data_or_folder_it_says_how_it_is_trained(recipe, tmp_path):
    for arguments in (["-m", "fusion"], [recipe, "--out", tmp_path / "out"]):
        done = run(*arguments)
        assert isinstance(done.exception, UsageError)
        assert "groklst train RECIPE.toml --data SCENES --out DIR" in str(done.exception)


def test_a_training_starts_from_shipped_weights_and_from_ones_own(recipe, tmp_path):
    scenes = tmp_path / "scenes"
    shipped = FusionWeights.shipped()
    size = RECIPE.replace("width = 4\nblocks = 1", "learning_rate = 1e-6")
    recipe.write_text(size)
    done = run(recipe, "--data", scenes, "--out", tmp_path / "near", "--init", "fusion")
    assert done.exit_code == 0, done.stderr
    near = FusionWeights.read(tmp_path / "near" / NAME)
    for made, begun in zip(near.networks, shipped.networks, strict=False):
        assert (made.head.weight - begun.head.weight).abs().max() < 1e-3
        assert (made.lowest <= begun.lowest).all()
    facts = near.facts["begun_from"]
    assert (facts["file"], len(facts["sha256"])) == ("fusion.safetensors", 64)
    assert "liverpool_l8_20200927" in facts["scenes"]
    assert "init" not in near.facts["options"]
    again = run("--init", tmp_path / "near" / NAME, recipe, "--data", scenes, "--out",
                tmp_path / "again")  # fmt: skip
    assert again.exit_code == 0, again.stderr
    facts = FusionWeights.read(tmp_path / "again" / NAME).facts["begun_from"]
    assert facts["sha256"] == fingerprint(tmp_path / "near" / NAME)
    assert facts["scenes"] == ["town"]


def test_without_a_recipe_it_is_tuned_for_the_weights_it_starts_from(monkeypatch, tmp_path):
    seen = []

    def trained(options, data, out, **_):
        seen.append(options)
        return TrainedFusion(out / NAME, 1, 1.0)

    monkeypatch.setattr("groklst_cli.pipeline.train_fusion.run.train_fusion", trained)
    done = run("--init", "fusion", "--data", tmp_path, "--out", tmp_path / "tuned")
    assert done.exit_code == 0, done.stderr
    assert (seen[0].init, seen[0].steps, seen[0].learning_rate) == ("fusion", 300, 5e-4)


@pytest.mark.parametrize(
    ("init", "error", "words"),
    [
        ("fusion", UsageError, r"width = 32, not 4; write width = 32 into the recipe"),
        ("nowhere.safetensors", UsageError, r"is not a file; type --init fusion"),
        ("recipe.toml", InputError, r"does not contain weights of fusion"),
    ],
)
def test_first_weights_that_do_not_fit_are_refused(
    recipe, tmp_path, monkeypatch, init, error, words
):
    monkeypatch.chdir(tmp_path)
    done = run(recipe, "--data", "scenes", "--out", "run", "--init", init)
    assert isinstance(done.exception, error)
    assert re.search(words, str(done.exception))


@pytest.mark.parametrize(
    "flag", [["--resume"], ["--set", "steps=3"], ["-d", "cpu"], ["-s", "4"], ["--print-config"]]
)
def test_an_option_that_its_recipe_does_not_know_is_refused(recipe, tmp_path, flag):
    done = run(recipe, "--data", tmp_path / "scenes", "--out", tmp_path / "run", *flag)
    assert isinstance(done.exception, UsageError)
    assert "cannot be used to train fusion" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_cases_hold_the_truth_and_leave_out_what_the_recipe_leaves_out(recipe, tmp_path):
    options = FusionOptions.read(recipe)
    scenes = training_scenes(tmp_path / "scenes", options)
    cases = list(cases_of(scenes, options, lambda text: None))
    assert {case.scale for case in cases} == {4, 6}
    assert {case.kind for case in cases} == {"main", "poor"}
    first = cases[0]
    corner = first.target[:20, :20]
    assert np.isnan(corner.numpy()).all()
    assert first.target[24:].isfinite().all()
    means = torch.nn.functional.avg_pool2d(first.target[24:].float()[None], 4)
    assert means.abs().max() < 0.02  # the answer was conserved


@pytest.mark.parametrize("scale", [2, 6])
def test_a_conserving_correction_has_no_coarse_means(scale):
    answer = torch.randn(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    kept = conserving(answer, MeanSpline(scale).spread(48 // scale), scale)
    assert torch.nn.functional.avg_pool2d(kept, scale).abs().max() < 1e-4
    assert kept.std() > 0.5


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("steps = 0", UsageError, "steps is 0"),
        ("[scales]\n17 = 1.0", UsageError, "2 … 16"),
        ("[scales]\n5 = 1.0", UsageError, "multiple"),
        ("steps = 'many'", UsageError, "must be a whole number"),
        ("init = 3", UsageError, "must be a text"),
        ("speed = 3", UsageError, "speed; the options are"),
        ("steps = ", InputError, "cannot be read"),
    ],
)
def test_impossible_recipes_are_refused(tmp_path, text, error, words):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(error, match=words):
        FusionOptions.read(path)
