import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from groklst_cli.errors import GroklstError, InputError, OutputExistsError, UsageError
from groklst_cli.pipeline.train.data import batches
from groklst_cli.pipeline.train.fit import fit, learning_rate
from groklst_cli.pipeline.train.loss import sample_losses
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.paper_recipes import paper_recipes
from groklst_cli.pipeline.train.processes import launch
from groklst_cli.pipeline.train.recipes import RECIPES, collect
from groklst_cli.pipeline.train.run_folder import BEST, LAST, STATE, load_state
from groklst_cli.pipeline.train.sets import open_data
from groklst_cli.pipeline.train.training import begin
from groklst_models.checkpoint import load
from groklst_models.contract import Tiles
from groklst_models.errors import MissingBandsError
from groklst_models.network_method import NetworkMethod, run_network
from groklst_models.registry import REGISTRY, arguments_of, find
from tests.data.folders import write_groklst
from tests.models.toy_networks import TABLE

TINY = {"width": 8, "stages": 1, "blocks": 1}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_groklst(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def usual(dataset, tmp_path_factory):
    """The folder of a run with the options of ``tiny``."""
    out = tmp_path_factory.mktemp("usual") / "run"
    fit(tiny(dataset, out))
    return out


def tiny(folder: Path, out: Path, **values) -> TrainOptions:
    """A run of seconds on the small dataset."""
    defaults = {
        "data": str(folder), "out": str(out), "arguments": TINY, "scale": 2, "batch": 2,
        "bands": ("red", "nir", "dem"), "steps": 6, "device": "cpu", "workers": 0, "crop": 8,
        "augment": True, "learning_rate": 1e-3, "log_every": 1, "validate_every": 3,
        "save_every": 2, "picture_every": 0, "deterministic": True, "ema": 0.9, "clip": 1.0,
    }  # fmt: skip
    return TrainOptions(**{**defaults, **values})


@pytest.fixture(autouse=True)
def _one_thread():
    yield
    torch.use_deterministic_algorithms(False)


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "log.csv", newline="") as opened:
        return list(csv.DictReader(opened))


def losses(out: Path) -> list[float]:
    return [float(row["loss"]) for row in rows(out) if row["loss"]]


def same_weights(first: Path, second: Path) -> bool:
    one, two = load_state(first / STATE), load_state(second / STATE)
    return all(
        torch.equal(one[part][name], two[part][name])
        for part in ("network", "averaged")
        for name in one[part]
    )


def test_a_run_leaves_checkpoints_state_and_log(dataset, tmp_path):
    done = fit(tiny(dataset, tmp_path / "run"))
    assert done.checkpoint == tmp_path / "run" / BEST
    header = load(done.checkpoint).header
    assert header.tile == 8
    assert header.normalization.band_names == ("red", "nir", "dem")
    assert header.training["options"]["steps"] == 6
    assert header.training["data"]["kind"] == "GrokLST"
    assert str(tmp_path) not in json.dumps(header.to_json())
    assert header.scores["rmse"] == pytest.approx(done.scores["rmse"])
    assert [row["step"] for row in rows(tmp_path / "run") if row["rmse"]] == ["3", "6"]
    assert len(losses(tmp_path / "run")) == 6


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(dataset, usual, tmp_path):
    for name, seed in (("again", 0), ("other", 2)):
        fit(tiny(dataset, tmp_path / name, seed=seed))
    assert same_weights(usual, tmp_path / "again")
    assert not same_weights(usual, tmp_path / "other")


def stop_at(step: int, number: int):
    def watch(moment):
        if moment.step == step:
            signal.raise_signal(number)

    return watch


VARIED = {"band_dropout": 0.3, "gain_jitter": 0.05, "steps": 7}


@pytest.fixture(scope="module")
def in_one_piece(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    fit(tiny(dataset, out, **VARIED))
    return out


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_stopped_and_resumed_run_equals_one_in_one_piece(dataset, in_one_piece, tmp_path, step):
    options = tiny(dataset, tmp_path / "parts", **VARIED)
    with pytest.raises(KeyboardInterrupt):
        fit(options, watch=stop_at(step, signal.SIGINT))
    assert load_state(tmp_path / "parts" / STATE)["step"] in (step, step + 1)
    fit(options, resume=True)
    assert same_weights(in_one_piece, tmp_path / "parts")
    assert losses(in_one_piece) == losses(tmp_path / "parts")


def test_sigterm_does_what_it_would_have_done_once_all_is_saved(dataset, tmp_path):
    class Ended(BaseException):
        pass

    def end(number, frame):
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(Ended):
            fit(tiny(dataset, tmp_path / "run"), watch=stop_at(2, signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert load_state(tmp_path / "run" / STATE)["step"] in (2, 3)


def test_rows_of_an_attempt_that_was_lost_are_not_kept(dataset, tmp_path):
    options = tiny(dataset, tmp_path / "run", save_every=4, validate_every=100, steps=8)

    def die(moment):
        if moment.step == 6:
            raise MemoryError

    with pytest.raises(MemoryError):
        fit(options, watch=die)
    fit(options, resume=True)
    assert [int(row["step"]) for row in rows(tmp_path / "run") if row["loss"]] == [*range(1, 9)]


def test_a_save_that_fails_leaves_the_last_state(dataset, tmp_path, monkeypatch):
    options = tiny(dataset, tmp_path / "run")
    real = torch.save

    def fail(state, opened):
        if state["step"] == 4:
            opened.write(b"half a state")
            raise OSError("no space left")
        real(state, opened)

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space"):
        fit(options)
    assert load_state(tmp_path / "run" / STATE)["step"] == 3
    assert not list((tmp_path / "run").glob(".state*"))


def test_the_result_is_the_best_checkpoint_and_its_scores(dataset, tmp_path):
    done = fit(tiny(dataset, tmp_path / "run", steps=12, learning_rate=0.01, ema=0.0))
    told = {int(row["step"]): float(row["rmse"]) for row in rows(tmp_path / "run") if row["rmse"]}
    assert min(told.values()) == pytest.approx(done.scores["rmse"], rel=1e-5)
    assert told[done.scores["step"]] == min(told.values())
    assert load(tmp_path / "run" / LAST).header.scores["step"] == 12


def test_a_run_that_is_replaced_leaves_nothing_behind(dataset, tmp_path):
    fit(tiny(dataset, tmp_path / "run"))

    def die(moment):
        raise MemoryError

    with pytest.raises(MemoryError):
        fit(tiny(dataset, tmp_path / "run"), overwrite=True, watch=die)
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_other_options_are_refused_when_resuming(dataset, tmp_path):
    options = tiny(dataset, tmp_path / "run", steps=2)
    fit(options)
    with pytest.raises(UsageError, match="has batch = 2, not 3"):
        fit(replace(options, batch=3), resume=True)
    with pytest.raises(OutputExistsError, match="--resume"):
        fit(options)
    with pytest.raises(InputError, match=r"state\.pt does not exist, so there is no run to resume"):
        fit(replace(options, out=str(tmp_path / "none")), resume=True)


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        ({}, {"batch": (4, 8)}),
        ({"batch": 8, "device": "cuda", "out": "there"}, {}),
        ({"batch": 8, "gone": 1}, {"gone": (1, None)}),
    ],
)
def test_options_of_an_older_or_newer_version_are_compared_too(before, changed):
    assert TrainOptions(batch=8).changed(before) == changed


def test_a_state_that_would_run_something_is_refused(tmp_path):
    torch.save({"format": 1, "step": os.system}, tmp_path / STATE)
    with pytest.raises(InputError, match="cannot be read as a training state"):
        load_state(tmp_path / STATE)


def test_training_learns(dataset, tmp_path):
    values = {"steps": 120, "validate_every": 120, "save_every": 120}
    values |= {"schedule": "cosine", "learning_rate": 5e-3}
    done = fit(tiny(dataset, tmp_path / "run", deterministic=False, ema=0.0, **values))
    told = losses(tmp_path / "run")
    assert np.mean(told[-10:]) < 0.6 * np.mean(told[:10])
    assert done.scores["rmse"] < 1.5  # it starts at 2.6


@pytest.mark.parametrize("name", ["srcnn", "swinir", "act", "fdkn", "dagf"])
def test_networks_of_other_multiples_and_without_guidance_train_and_run(dataset, tmp_path, name):
    bands = ("red", "nir", "dem") if find(name).shelf == "guided" else ()
    options = tiny(
        dataset, tmp_path / "run", network=name, arguments=TABLE[name]["tiny"], steps=2, bands=bands
    )
    fit(options)
    checkpoint = load(tmp_path / "run" / BEST)
    assert checkpoint.header.normalization.band_names == bands
    method = NetworkMethod(
        checkpoint.load_network(),
        checkpoint.header.normalization,
        scale=2,
        bands=bands,
        device=torch.device("cpu"),
    )
    guide = torch.full((1, 3, 14, 18), 0.3) if bands else None
    fine = method.predict(Tiles(torch.full((1, 1, 7, 9), 300.0), guide, (0,), (0,)))
    assert fine.shape == (1, 1, 14, 18)
    assert torch.isfinite(fine).all()


CHANCE = {"network": "pgdm", "arguments": {"width": 8, "multipliers": [1, 1], "attention": [1]}}


@pytest.mark.usefixtures("ctrl_c")
def test_a_network_with_chance_in_it_trains_by_its_own_loss_and_resumes_its_noise(
    dataset, tmp_path
):
    done = fit(tiny(dataset, tmp_path / "whole", **CHANCE))
    assert done.scores["draw_spread_factor"] > 0
    assert "turn_spread_factor" not in done.scores
    options = tiny(dataset, tmp_path / "parts", **CHANCE)
    with pytest.raises(KeyboardInterrupt):
        fit(options, watch=stop_at(3, signal.SIGINT))
    fit(options, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    fit(tiny(dataset, tmp_path / "mse", loss="mse", **CHANCE))
    assert same_weights(tmp_path / "whole", tmp_path / "mse")
    fit(tiny(dataset, tmp_path / "l1", loss="l1", **CHANCE))
    assert not same_weights(tmp_path / "whole", tmp_path / "l1")


def test_a_network_with_chance_in_it_learns_and_goes_without_bands(dataset, tmp_path):
    values = {"steps": 150, "crop": 16, "batch": 2, "validate_every": 150, **CHANCE}
    values["save_every"] = 150
    options = tiny(dataset, tmp_path / "run", band_dropout=0.2, deterministic=False, **values)
    done = fit(options)
    told = losses(tmp_path / "run")
    assert np.mean(told[-30:]) < 0.6 * np.mean(told[:10])
    checkpoint = load(done.checkpoint)
    method = run_network(
        checkpoint.load_network(),
        checkpoint.header.normalization,
        scale=2,
        bands=("nir",),
        device=torch.device("cpu"),
    )
    fine = method.predict(
        Tiles(torch.full((1, 1, 7, 9), 300.0), torch.rand(1, 1, 14, 18), (0,), (0,))
    )
    assert torch.isfinite(fine).all()


def test_plain_networks_are_trained_by_the_published_loss(dataset, usual, tmp_path):
    assert tiny(dataset, usual).loss == "auto"
    fit(tiny(dataset, tmp_path / "l1", loss="l1"))
    assert same_weights(usual, tmp_path / "l1")


def test_every_weight_of_the_generation_pathway_moves(dataset, tmp_path):
    fit(tiny(dataset, tmp_path / "early", steps=1, weight_decay=0.0, ema=0.0))
    fit(tiny(dataset, tmp_path / "late", steps=6, weight_decay=0.0, ema=0.0))
    early = load_state(tmp_path / "early" / STATE)["network"]
    late = load_state(tmp_path / "late" / STATE)["network"]
    names = [name for name in early if "weight_generation" in name]
    assert len(names) == 12
    assert [name for name in names if torch.equal(early[name], late[name])] == []


def test_band_dropout_makes_a_checkpoint_that_serves_scenes_without_bands(dataset, tmp_path):
    done = fit(tiny(dataset, tmp_path / "run", band_dropout=0.3, trend=True, lst_center="tile"))
    checkpoint = load(done.checkpoint)
    statistics = checkpoint.header.normalization
    assert statistics.optional_bands
    assert statistics.guide_channels == 3 + 3 + 1
    lst = 290 + torch.randn(1, 1, 4, 4)

    def predict(bands, guide):
        method = NetworkMethod(
            checkpoint.load_network(), statistics, scale=2, bands=bands, device=torch.device("cpu")
        )
        return method.predict(Tiles(lst, guide, (0,), (0,)))

    red = torch.rand(1, 1, 8, 8)
    gaps = torch.full((1, 2, 8, 8), torch.nan)
    alone = predict(("red",), red)
    torch.testing.assert_close(alone, predict(("red", "nir", "dem"), torch.cat([red, gaps], 1)))
    zeros = torch.full((1, 2, 8, 8), 0.0)
    assert not torch.allclose(alone, predict(("red", "nir", "dem"), torch.cat([red, zeros], 1)))
    with pytest.raises(MissingBandsError, match="at least one of"):
        predict(("swir1",), red)


def test_a_checkpoint_gives_what_validation_scored(dataset, tmp_path):
    from groklst_cli.data.groklst_dataset import GrokLST
    from groklst_cli.geo.metrics import Scores

    done = fit(tiny(dataset, tmp_path / "run", conserve=False))
    checkpoint, source = load(tmp_path / "run" / LAST), GrokLST(dataset, "val", 2)
    method = NetworkMethod(
        checkpoint.load_network(), checkpoint.header.normalization,
        scale=2, bands=source.bands, device=torch.device("cpu"),
    )  # fmt: skip
    patch = source.read(0)
    tiles = Tiles(torch.tensor(patch.lst)[None, None], torch.tensor(patch.guide)[None], (0,), (0,))
    scores = Scores.of(method.predict(tiles)[0, 0].numpy(), patch.truth)
    assert scores.rmse == pytest.approx(load(tmp_path / "run" / LAST).header.scores["rmse"])
    assert done.scores["images"] == 1
    assert done.scores["turn_spread_factor"] > 0


def test_conserved_training_keeps_coarse_means_nearly():
    from groklst_cli.pipeline.train.loss import conserve_means
    from groklst_models.guidance import coarse_means

    generator = torch.Generator().manual_seed(0)
    fine, lst = torch.randn(2, 1, 32, 32, generator=generator), torch.zeros(2, 1, 8, 8)
    kept = conserve_means(fine, lst, torch.ones_like(lst), 4)
    before, after = coarse_means(fine, 4).square().mean(), coarse_means(kept, 4).square().mean()
    assert after < 0.05 * before
    unknown = conserve_means(fine, lst, torch.zeros_like(lst), 4)
    torch.testing.assert_close(unknown, fine)


def test_learning_rates_of_the_published_recipe():
    options = TrainOptions()
    rates = [learning_rate(step, options) for step in range(options.steps)]
    assert [rates[i] for i in (0, 2500, 5000, 7500)] == [1e-4] * 4
    assert rates[1250] == pytest.approx((1e-4 + 1e-7) / 2)
    assert rates[2499] == pytest.approx(1e-7, rel=1e-3)
    warm = replace(options, warmup=10, schedule="cosine")
    assert learning_rate(0, warm) == pytest.approx(1e-4 / 11)


def test_options_come_from_recipe_file_flags_and_sets_in_this_order(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text('recipe = "local"\nbatch = 3\nsteps = 5\n[arguments]\nwidth = 8\n')
    chosen = collect(config, {"scale": 4}, ["steps=9", "arguments.stages=1", "bands=red,nir"])
    assert (chosen.batch, chosen.steps, chosen.scale) == (3, 9, 4)
    assert chosen.learning_rate == RECIPES["local"]["learning_rate"]
    assert dict(chosen.arguments) == {"width": 8, "stages": 1}
    assert chosen.bands == ("red", "nir")


def test_a_stepwise_schedule_lowers_the_rate_at_its_milestones():
    options = TrainOptions(
        schedule="steps", milestones=(10, 30), decay=0.2, learning_rate=1e-3, floor=1e-4
    )
    rates = [learning_rate(step, options) for step in (0, 9, 10, 29, 30)]
    assert rates == pytest.approx([1e-3, 1e-3, 2e-4, 2e-4, 1e-4])  # 4e-5 is below the floor
    assert learning_rate(0, replace(options, warmup=9)) == pytest.approx(1e-4)


def test_a_loss_of_squares_is_what_it_says(dataset, tmp_path):
    options = tiny(dataset, tmp_path / "run", loss="mse", steps=1, augment=False)
    training = begin(options, open_data(options), launch("cpu", "fp32"), None)
    batch = next(iter(batches(training.data, options, range(1), training.fabric)))
    squares = sample_losses(training, batch)
    training.options = replace(options, loss="l1")
    with torch.no_grad():
        absolute = sample_losses(training, batch) / training.normalization.lst_std
    assert squares.shape == absolute.shape == (2,)
    assert (squares > absolute.square()).all()  # the mean of squares is above the square of means
    assert (squares < 3 * absolute.square()).all()


@pytest.mark.parametrize("name", sorted(paper_recipes()))
def test_a_paper_s_recipe_is_one_that_can_be_run(name):
    recipe = paper_recipes()[name]
    assert name in REGISTRY
    options = {"batch", "learning_rate", "weight_decay", "schedule"}
    assert options <= set(recipe.options)
    assert "crop" not in recipe.options
    assert recipe.patch % 8 == 0
    for scale in (2, 4, 8):
        chosen = collect(None, {"network": name, "scale": scale, "recipe": "paper"}, [])
        assert chosen.crop == recipe.patch * scale
        told = chosen.to_json()
        assert {key: told[key] for key in recipe.options} == recipe.options
    assert set(chosen.arguments) <= set(arguments_of(name))


def test_what_is_typed_goes_before_a_paper_s_recipe():
    flags = {"network": "swinir", "scale": 4, "recipe": "paper", "arguments": {"width": 60}}
    chosen = collect(None, flags, ["batch=2", "milestones=5,9", "crop=64"])
    assert (chosen.batch, chosen.milestones, chosen.crop) == (2, (5, 9), 64)
    assert dict(chosen.arguments) == {"drop_path": 0.1, "width": 60}


def test_what_a_paper_s_recipe_leaves_open_is_said(dataset, tmp_path):
    notes: list[str] = []
    sets = ["steps=1", "batch=2", "crop=8", "workers=0", "device=cpu", "validate_every=9"]
    flags = {"network": "edsr", "scale": 2, "recipe": "paper", "data": str(dataset),
             "out": str(tmp_path / "run"), "arguments": {"width": 4, "blocks": 1}}  # fmt: skip
    fit(collect(None, flags, sets), note=notes.append)
    assert any("not followed in everything: 300,000 steps" in note for note in notes)


def test_printed_options_are_read_back_alike(tmp_path):
    chosen = collect(None, {"recipe": "local", "scale": 4}, ["arguments.width=8", "bands=red"])
    (tmp_path / "again.toml").write_text(chosen.to_toml())
    assert collect(tmp_path / "again.toml", {}, []) == chosen
    chosen = collect(None, {"recipe": "paper", "scale": 4, "network": "swinir"}, [])
    (tmp_path / "again.toml").write_text(chosen.to_toml())
    assert collect(tmp_path / "again.toml", {}, []) == chosen


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["lr=1"], "there is no option 'lr'"),
        (["batch"], "not key=value"),
        (["batch=many"], "--set batch=… is 'many', expected int"),
        (["batch=0"], "at least 1"),
        (["band_dropout=1.0"], "--band-dropout is 1.0"),
        (["loss=l2"], "one of auto, l1, huber, mse"),
        (["recipe=best"], "--recipe best is not one of published, local, paper"),
        (["recipe=paper"], "--recipe paper is known only for .*, not for mocolsk; use --recipe"),
        (["schedule=steps"], "expected one or more steps for the schedule steps"),
        (["milestones=[20,10]"], "steps from 1 on, in rising order"),
        (["milestones=10,often"], "expected tuple"),
        (["milestones=[1.5]"], "expected tuple"),
        (["decay=1.0"], "above 0 and below 1"),
        (["beta2=1.0"], "from 0 to below 1"),
        (["network=ridge"], "--model is 'ridge'"),
        (["crop=9"], "a multiple of the scale"),
        (["augment=1"], "expected bool"),
    ],
)
def test_options_that_make_no_sense_are_refused(sets, message):
    with pytest.raises(UsageError, match=message):
        collect(None, {}, sets)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": ""}, "--data DIR"),
        ({"bands": ("swir2",)}, "asks for swir2"),
        ({"crop": 32}, "does not fit into the smallest patch, 16"),
        ({"train_split": "all"}, "no split 'all'"),
        ({"arguments": {"depth": 3}}, "has no argument depth"),
    ],
)
def test_data_that_do_not_fit_are_refused(dataset, tmp_path, values, message):
    with pytest.raises(UsageError, match=message):
        fit(tiny(dataset, tmp_path / "run", **values))
    assert not (tmp_path / "run").exists()


def test_a_gradient_that_is_infinite_stops_the_run_in_one_line(dataset, tmp_path, monkeypatch):
    def infinite(training, batch):
        weight = next(training.network.parameters())
        return (weight.sum() * torch.inf).reshape(1)

    monkeypatch.setattr("groklst_cli.pipeline.train.fit.sample_losses", infinite)
    with pytest.raises(GroklstError, match=r"a gradient is NaN or infinite at step 1; lower --set"):
        fit(tiny(dataset, tmp_path / "run", clip=1.0))


def test_a_loss_that_is_no_number_stops_the_run(dataset, tmp_path):
    options = tiny(dataset, tmp_path / "run", learning_rate=1e30, clip=0.0, warmup=0)
    with pytest.raises(GroklstError, match="lower --set learning_rate"):
        fit(options)


@pytest.mark.usefixtures("with_pictures")
def test_pictures_come_when_asked(dataset, tmp_path):
    fit(tiny(dataset, tmp_path / "run", picture_every=3))
    names = {path.name for path in (tmp_path / "run" / "pictures").iterdir()}
    assert names == {"step_000003.png", "step_000006.png"}


def test_tensorboard_comes_when_asked(dataset, tmp_path):
    pytest.importorskip("tensorboard")
    fit(tiny(dataset, tmp_path / "run", tensorboard=True))
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_workers_read_the_same_samples(dataset, usual, tmp_path):
    fit(tiny(dataset, tmp_path / "there", workers=1, validate_every=6))
    assert same_weights(usual, tmp_path / "there")


LAUNCH = """
import json, sys
from groklst_cli.pipeline.train.recipes import assemble
from groklst_cli.pipeline.train.fit import fit
fit(assemble(json.loads(sys.argv[1])))
"""


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_the_doubled_batch(tmp_path):
    dataset = write_groklst(tmp_path / "set")
    (dataset / "split" / "val.txt").write_text("3\n4\n5\n")  # odd: the shares are uneven
    common = {"steps": 5, "validate_every": 5, "deterministic": False}
    fit(tiny(dataset, tmp_path / "one", batch=4, **common))
    options = tiny(dataset, tmp_path / "two", batch=2, **common)
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH)
    root = Path(__file__).resolve().parents[3]
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         str(script), json.dumps(options.to_json())],
        check=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}:{root / 'models'}"},
    )  # fmt: skip
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    one, two = (load(tmp_path / name / LAST).header.scores for name in ("one", "two"))
    assert two["images"] == one["images"] == 3
    for name in ("rmse", "mae", "bias", "cc"):
        assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-4)
