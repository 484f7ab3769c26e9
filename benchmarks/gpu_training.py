"""Training on a GPU: steps a second, and whether a run that was stopped ends in the same bits."""

import csv
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from gpu_setting import Setting
from train_wait import write_dataset

from groklst_cli.pipeline.train.fit import fit
from groklst_cli.pipeline.train.log import TrainProgress
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.recipes import assemble
from groklst_cli.pipeline.train.run_folder import LAST
from groklst_models.checkpoint import load

SCALE = 8
STEPS, STOPPED = 6, 3
SMALL = {"width": 8, "stages": 1, "blocks": 1}


def options(data: Path, out: Path, setting: Setting, **values: Any) -> TrainOptions:
    """Ask for a run that is short and validates once."""
    steps = values.get("steps", STEPS)
    own = {
        "data": str(data), "out": str(out), "scale": SCALE, "device": setting.device,
        "steps": steps, "validate_every": steps, "save_every": steps, "picture_every": 0,
        "log_every": 2,
    }  # fmt: skip
    return assemble({**own, **values})


def training(setting: Setting) -> Iterator[dict[str, Any]]:
    """Count the steps a second of both recipes, reading included."""
    setting.begin()
    steps = 2 if setting.tiny else 14
    with TemporaryDirectory() as name:
        data = Path(name) / "set"
        write_dataset(data, side=64 if setting.tiny else 512, scale=SCALE)
        for recipe in ("published", "local"):
            for precision in ("bf16", "fp32"):
                if setting.knows(recipe=recipe, precision=precision):
                    continue
                wished = options(
                    data,
                    Path(name) / f"{recipe}_{precision}",
                    setting,
                    recipe=recipe,
                    precision=precision,
                    steps=steps,
                    workers=0,  # what is read once stays in memory
                    arguments=setting.published,
                    **({"crop": 32} if setting.tiny else {}),
                )
                yield {"recipe": recipe, "precision": precision, **one_training(wished, setting)}


def one_training(wished: TrainOptions, setting: Setting) -> dict[str, Any]:
    """Train and read the log; the first rows, in which all is warmed up, do not count."""
    setting.forget_peak()
    try:
        done = fit(wished)
    except Exception as error:  # whatever it is, it is what was to be found out
        return {"error": f"{type(error).__name__}: {error}"[:300], "peak GiB": setting.peak()}
    with open(Path(wished.out) / "log.csv", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["loss"]]
    warm = rows[len(rows) // 2 :]
    rate = median(float(row["steps_per_second"]) for row in warm)
    return {
        "steps/s": rate,
        "samples/s": rate * wished.batch,
        "waiting for data": median(float(row["wait"]) for row in warm),
        "loss first": float(rows[0]["loss"]),
        "last": float(rows[-1]["loss"]),
        "peak GiB": setting.peak(),
        "s in all": done.seconds,
    }


def resumed(setting: Setting) -> Iterator[dict[str, Any]]:
    """Train in one piece and in two, and compare the weights; then fp16 with clipped gradients."""
    setting.begin()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "set", side=64, scale=SCALE)
        for precision in ("fp32", "bf16", "fp16"):
            if precision == "fp16" and not setting.on_cuda:
                continue
            for exact in (False, True):
                out = folder / f"{precision}_{exact}"
                told = {"precision": precision, "deterministic": exact}
                try:
                    found = in_two_pieces(folder / "set", out, setting, **told)
                except Exception as error:  # whatever it is, it is what was to be found out
                    found = {"error": f"{type(error).__name__}: {error}"[:300]}
                yield {**told, **found}


def in_two_pieces(data: Path, out: Path, setting: Setting, **told: Any) -> dict[str, Any]:
    """Say how far the weights of two whole runs, and of one in two pieces, are apart."""
    wished = [
        options(
            data, out / part, setting, arguments=SMALL, workers=0, crop=32, batch=2,
            augment=True, clip=1.0, ema=0.9, log_every=1, **told,
        )
        for part in ("whole", "again", "pieces")
    ]  # fmt: skip
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fit(wished[0])
        fit(wished[1])
        try:
            fit(wished[2], watch=_stop)
        except KeyboardInterrupt:
            fit(wished[2], resume=True)
    torch.use_deterministic_algorithms(False)
    first, again, pieces = (weights(Path(each.out)) for each in wished)
    said = {str(each.message).split(". ")[0][:160] for each in warned}
    return {
        "again off": largest(first, again),
        "in two pieces off": largest(first, pieces),
        "warnings": "; ".join(sorted(said)),
    }


def _stop(progress: TrainProgress) -> None:
    if progress.step == STOPPED:
        signal.raise_signal(signal.SIGINT)


def weights(out: Path) -> torch.Tensor:
    """Return all of a run's last weights in one row."""
    return torch.cat([each.flatten().double() for each in load(out / LAST).weights.values()])


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the largest difference of two rows of weights."""
    return (first - second).abs().max().item()
