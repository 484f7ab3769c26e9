"""A training that starts from weights: what these settle, what is refused, what is told of them."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from groklst_cli.app import app
from groklst_cli.errors import InputError, UsageError
from groklst_cli.pipeline.train.fit import fit
from groklst_cli.pipeline.train.recipes import collect
from groklst_cli.pipeline.train.run_folder import BEST, STATE, load_state
from groklst_models.checkpoint import fingerprint, load, save
from tests.data.folders import write_groklst
from tests.pipeline.train.test_fit import TINY, rows, same_weights, stop_at, tiny

pytestmark = pytest.mark.usefixtures("ctrl_c")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return write_groklst(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def first(dataset, tmp_path_factory) -> Path:
    """A checkpoint to start from; its statistics are not those of the dataset."""
    run = tmp_path_factory.mktemp("first") / "run"
    made = load(fit(tiny(dataset, run, steps=2)).checkpoint)
    normalization = replace(made.header.normalization, lst_mean=290.0, lst_std=7.0)
    changed = replace(made, header=replace(made.header, normalization=normalization))
    save(changed, run.parent / "first.safetensors")
    return run.parent / "first.safetensors"


def test_weights_bands_and_standardization_are_the_files_and_the_header_says_so(
    dataset, first, tmp_path
):
    told: list[str] = []
    done = fit(tiny(dataset, tmp_path / "run", init=str(first), steps=3), note=told.append)
    begun, made = load(first), load(done.checkpoint)
    assert made.header.normalization == begun.header.normalization
    assert made.header.training["begun_from"] == {
        "file": first.name, "sha256": fingerprint(first)
    }  # fmt: skip
    assert str(tmp_path) not in str(made.header.to_json())
    assert any(first.name in line for line in told)
    state = load_state(tmp_path / "run" / STATE)["network"]
    moved = max(float((state[name] - begun.weights[name]).abs().max()) for name in state)
    assert 0 < moved < 0.02  # three steps from them, not from chance


def test_the_best_is_never_worse_than_the_first_weights(dataset, first, tmp_path):
    run = tmp_path / "run"
    harm = tiny(dataset, run, init=str(first), steps=3, learning_rate=0.02, ema=0.0)
    done = fit(harm)
    assert [row["step"] for row in rows(run) if row["rmse"]] == ["0", "3"]
    best, begun = load(done.checkpoint), load(first)
    assert done.checkpoint == run / BEST
    assert best.header.scores["step"] == 0
    assert all(torch.equal(best.weights[name], begun.weights[name]) for name in begun.weights)


def test_a_resumed_run_needs_the_file_no_more_and_ends_the_same(dataset, first, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(first.read_bytes())
    whole = tiny(dataset, tmp_path / "whole", init=str(copy), steps=4)
    fit(whole)
    parts = replace(whole, out=str(tmp_path / "parts"))
    with pytest.raises(KeyboardInterrupt):
        fit(parts, watch=stop_at(2, signal.SIGINT))
    copy.unlink()
    done = fit(parts, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    assert load(done.checkpoint).header.training["begun_from"]["file"] == "copy.safetensors"


def test_what_is_not_said_is_as_the_weights_have_it(first):
    chosen = collect(None, {"init": str(first), "recipe": "local"}, [])
    assert (chosen.network, chosen.scale, dict(chosen.arguments)) == ("mocolsk", 2, TINY)
    assert chosen.bands == ("red", "nir", "dem")
    assert (chosen.lst_center, chosen.trend, chosen.conserve) == ("dataset", False, False)
    assert chosen.loss == "huber"


@pytest.mark.parametrize(
    ("flags", "sets", "words"),
    [
        ({"scale": 4}, [], r"scale = 2, not 4; leave --scale out"),
        ({"network": "dgf"}, [], r"network = 'mocolsk', not 'dgf'; leave --model out"),
        ({}, ["bands=nir"], r"leave --set bands=… out"),
        ({}, ["arguments.width=16"], r"arguments.width = 8, not 16; leave --set arguments.width=…"),
        ({}, ["trend=true"], r"trend = False, not True"),
        ({"band_dropout": 0.1}, [], r"without --band-dropout"),
    ],
)
def test_options_that_the_weights_do_not_fit_are_refused(first, flags, sets, words):
    with pytest.raises(UsageError, match=words):
        collect(None, {"init": str(first), **flags}, sets)


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("mocolsk", "no weights of mocolsk come with groklst; name a file"),
        ("nowhere.safetensors", "neither a checkpoint file nor a method"),
    ],
)
def test_a_name_without_weights_is_refused(init, words):
    with pytest.raises(UsageError, match=words):
        collect(None, {"init": init}, [])


def test_a_damaged_file_and_data_without_its_bands_are_refused(dataset, first, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(first.read_bytes()[:-8])
    with pytest.raises(InputError, match="damaged"):
        collect(None, {"init": str(damaged)}, [])
    made = load(first)
    bands = tuple(
        replace(b, name=n) for b, n in zip(made.header.normalization.bands, "abc", strict=True)
    )
    normalization = replace(made.header.normalization, bands=bands)
    other = tmp_path / "other.safetensors"
    save(replace(made, header=replace(made.header, normalization=normalization)), other)
    options = tiny(dataset, tmp_path / "run", init=str(other), bands=("a", "b", "c"))
    with pytest.raises(UsageError, match=r"takes bands a, b, c, and .* lacks a, b, c"):
        fit(options)
    assert not (tmp_path / "run").exists()


def train(*words: object) -> BaseException | None:
    return CliRunner().invoke(app, ["train", *map(str, words)]).exception


def test_first_weights_are_not_for_a_run_that_is_resumed_nor_written_over(dataset, tmp_path):
    run = tmp_path / "run"
    fit(tiny(dataset, run, steps=1))
    error = train("--out", run, "--resume", "--init", run / BEST)
    assert isinstance(error, UsageError)
    assert "--init cannot be used with --resume" in str(error)
    error = train("--data", dataset, "--out", run, "--init", run / BEST, "--overwrite")
    assert isinstance(error, UsageError)
    assert "is an input too" in str(error)
    assert load(run / BEST).header.scores["step"] == 1


def test_weights_of_fusion_are_for_fusion_alone(dataset):
    error = train("--data", dataset, "-m", "mocolsk", "--init", "fusion")
    assert isinstance(error, UsageError)
    assert "which no network takes" in str(error)
