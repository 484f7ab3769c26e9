"""Training: ``fit`` calls ``train_step``, ``learning_rate`` and ``validate``; one state, saved.

Sample ``n`` and step ``t`` draw their random numbers from the seed and their own number, so a run
that is stopped and resumed does what a run in one piece does.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from groklst_cli.data.samples import Sample
from groklst_cli.errors import GroklstError, OutputExistsError, UsageError
from groklst_cli.geo.durable import whole_file
from groklst_cli.geo.targets import check_target
from groklst_cli.pipeline.train.data import batches, open_data, step_seed
from groklst_cli.pipeline.train.interrupts import Interrupts
from groklst_cli.pipeline.train.log import LOG, TrainLog, draw
from groklst_cli.pipeline.train.loss import sample_losses
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.pace import Meter
from groklst_cli.pipeline.train.processes import launch, mean_of_all, part
from groklst_cli.pipeline.train.recipes import OPTIONS, assemble
from groklst_cli.pipeline.train.run import Run, start
from groklst_cli.pipeline.train.state import STATE, load_state, make_checkpoint, save_state
from groklst_cli.pipeline.train.validation import spread_factor, validate
from groklst_models.checkpoint import read_header, save
from groklst_models.turns import SCORE

BEST: Final = "best.safetensors"
LAST: Final = "last.safetensors"
_SCORES: Final = ("rmse", "mae", "bias", "cc", "rsd")


@dataclass(frozen=True)
class Moment:
    """How far a run is, for whoever watches it.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Mean since the last report.
        rate: Steps a second since then.
        scores: The last validation's means over images, empty before the first.
    """

    step: int
    steps: int
    loss: float
    rate: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Trained:
    """What a run came to.

    Attributes:
        checkpoint: The file to use: the best by validation RMSE, the last without validation.
        steps: Steps done.
        scores: Of that checkpoint.
        seconds: Wall time of this part of the run.
        speaks: Whether this is the first of the processes, which speaks for all.
    """

    checkpoint: Path
    steps: int
    scores: dict[str, Any]
    seconds: float
    speaks: bool = True

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "checkpoint": str(self.checkpoint),
            "steps": self.steps,
            "scores": self.scores,
            "seconds": round(self.seconds, 1),
        }


def fit(
    options: TrainOptions,
    *,
    resume: bool = False,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda text: None,
    watch: Callable[[Moment], None] = lambda moment: None,
) -> Trained:
    """Train a network, from the start or from where it was stopped.

    Args:
        options: Of the run.
        resume: Whether to go on from the state in the run's folder.
        overwrite: Whether a run in that folder may be replaced.
        note: Told, for people, what is worth knowing.
        watch: Told how far it is.

    Returns:
        The checkpoint and its scores.

    Raises:
        GroklstError: If it cannot be carried out.
        KeyboardInterrupt: On SIGINT, once the state is saved; SIGTERM does what it would have done.
    """
    began, folder = time.monotonic(), Path(options.out)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; name a folder")
    if not resume and folder.is_dir():
        _check_targets(folder, overwrite=overwrite)
    data = open_data(options)
    state = load_state(folder / STATE) if resume else None
    if state is not None:
        _refuse_changed(options, state, folder)
    fabric = launch(options.device, options.precision)
    run = start(options, data, fabric, state)
    _explain(run, note)
    if fabric.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        for name in () if resume else (STATE, BEST, LAST):
            (folder / name).unlink(missing_ok=True)
        with whole_file(folder / OPTIONS) as made:
            made.write_text(options.to_toml(), encoding="utf-8")
    with Interrupts() as interrupts:
        if fabric.is_global_zero:
            with TrainLog(folder, step=run.step, tensorboard=options.tensorboard) as log:
                _train(run, interrupts, log, watch)
        else:
            _train(run, interrupts, None, watch)
        interrupts.raise_again()
    named = folder / (BEST if math.isfinite(run.best) else LAST)
    scores = dict(read_header(named).scores) if fabric.is_global_zero else run.scores
    speaks = fabric.is_global_zero
    part(fabric)
    return Trained(named, run.step, scores, time.monotonic() - began, speaks)


def _check_targets(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder whose files may not be replaced, whoever wrote them.

    Raises:
        OutputExistsError: If there are some.
    """
    if (folder / STATE).exists() and not overwrite:
        raise OutputExistsError(
            f"{folder} holds a run; add --resume to go on with it, --overwrite to replace it"
        )
    for name in (STATE, BEST, LAST, OPTIONS, LOG):
        check_target(folder / name, overwrite=overwrite)


def _train(
    run: Run, interrupts: Interrupts, log: TrainLog | None, watch: Callable[[Moment], None]
) -> None:
    """Do the steps that are left; save now and then, and when it ends or is stopped."""
    options, meter = run.options, Meter()
    for batch in meter.waiting(_batches(run)):
        meter.add(train_step(run, _moved(batch, run)))
        ended = run.step == options.steps
        stopped = _agree(run, interrupts.noted is not None)
        if run.step % options.log_every == 0 or ended or stopped:
            _report(run, meter, log, watch)
        if run.step % options.validate_every == 0 or ended:
            _validate(run, log)
            meter.restart()
        elif run.step % options.save_every == 0 or stopped:
            _save(run)
        if stopped:
            return


def _batches(run: Run) -> Iterator[Sample]:
    return batches(
        run.data,
        run.options,
        range(run.step, run.options.steps),
        rank=run.fabric.global_rank,
        processes=run.fabric.world_size,
        pin=run.fabric.device.type == "cuda",
    )


def _moved(batch: Sample, run: Run) -> Sample:
    device = run.fabric.device
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}


def _agree(run: Run, noted: bool) -> bool:
    """Tell whether any process was told to stop, so that all stop at one step."""
    if run.fabric.world_size == 1:
        return noted
    told = torch.tensor(float(noted), device=run.fabric.device)
    return float(mean_of_all(run.fabric, told)) > 0


def _report(run: Run, meter: Meter, log: TrainLog | None, watch: Callable[[Moment], None]) -> None:
    """Log the mean loss over all processes since the last report, and refuse one that is no number.

    Raises:
        GroklstError: If the loss is NaN or infinite.
    """
    loss = float(mean_of_all(run.fabric, meter.mean_loss()))
    if not math.isfinite(loss):
        raise GroklstError(
            f"the loss is {loss} at step {run.step}; lower --set learning_rate=…, or add "
            "--set clip=1.0; the state before it is kept for --resume"
        )
    rate = meter.rate()
    if log is not None:
        values = {
            "loss": loss,
            "learning_rate": learning_rate(run.step - 1, run.options),
            "steps_per_second": rate,
            "wait": meter.wait(),
        }
        log.write(run.step, values)
    means: dict[str, float] = {n: run.scores[n] for n in _SCORES if n in run.scores}
    watch(Moment(run.step, run.options.steps, loss, rate, means))
    meter.restart()


def _validate(run: Run, log: TrainLog | None) -> None:
    """Score, log and draw; keep the best checkpoint, the last one, and the state."""
    options, folder = run.options, Path(run.options.out)
    summary, panels = validate(run)
    better = False
    if summary is not None:
        scores = {name: summary.mean[name] for name in _SCORES}
        told = {name: value for name, value in scores.items() if math.isfinite(value)}
        run.scores = {**told, "rmse_pooled": summary.rmse_pooled, "images": summary.images}
        run.scores |= {"split": options.val_split, "step": run.step}
        better = scores["rmse"] < run.best
        run.best = min(run.best, scores["rmse"])
        if log is not None:
            log.write(run.step, told)
    if not run.fabric.is_global_zero:
        return
    if better and (factor := spread_factor(run)) is not None:
        run.scores[SCORE] = factor
    drawn = options.picture_every and run.step % options.picture_every == 0
    if panels and (drawn or run.step == options.steps):
        draw(panels, folder / "pictures" / f"step_{run.step:06d}.png")
    checkpoint = make_checkpoint(
        run.averaged.state_dict(),
        options,
        run.normalization,
        tile=run.data.crop * options.scale,
        step=run.step,
        data=run.data.train.describe(),
        scores=run.scores,
    )
    save(checkpoint, folder / LAST)
    if better:
        save(checkpoint, folder / BEST)
    _save(run)


def _save(run: Run) -> None:
    if run.fabric.is_global_zero:
        save_state(run.state(), Path(run.options.out) / STATE)


def learning_rate(step: int, options: TrainOptions) -> float:
    """Return the learning rate of a step, counted from 0."""
    period = options.period if options.schedule == "restarts" else options.steps
    phase = (step % period) / period
    rate = options.floor + (options.learning_rate - options.floor) * 0.5 * (
        1 + math.cos(math.pi * phase)
    )
    return rate * min(1.0, (step + 1) / (options.warmup + 1))


def train_step(run: Run, batch: Sample) -> Tensor:
    """Do one step and return its loss, on the device."""
    options, fabric = run.options, run.fabric
    torch.manual_seed(step_seed(options, run.step, fabric.global_rank))
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(run.step, options)
    loss = sample_losses(run, batch).mean()
    run.optimizer.zero_grad(set_to_none=True)
    fabric.backward(loss)
    if options.clip:
        fabric.clip_gradients(
            run.network,
            run.optimizer,
            max_norm=options.clip,
            error_if_nonfinite=options.precision != "fp16",  # there its scaler skips the step
        )
    run.optimizer.step()
    run.step += 1
    if options.ema:
        run.average()
    return loss.detach()


def _refuse_changed(options: TrainOptions, state: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with other options than the run began with.

    Raises:
        UsageError: If one that would change the weights is another.
    """
    before = assemble(state["options"], start=TrainOptions())
    changed = options.changed(before)
    if changed:
        first = changed[0]
        raise UsageError(
            f"the run in {folder} has {first} = {before.to_json()[first]!r}, not "
            f"{options.to_json()[first]!r}; resume with the same options ({', '.join(changed)} "
            "differ), or start anew in another --out"
        )


def _explain(run: Run, note: Callable[[str], None]) -> None:
    if not run.fabric.is_global_zero:
        return
    weights = sum(weight.numel() for weight in run.bare.parameters())
    note(f"network {run.options.network}: {weights} weights, recipe {run.options.recipe}")
    note(
        f"data {len(run.data.train)} patches to train on, {len(run.data.val)} to validate on; "
        f"bands {', '.join(run.data.bands) or 'none'}; crops {run.data.crop * run.options.scale}"
    )
    if run.step:
        note(f"resumed at step {run.step} of {run.options.steps}")
    if len(run.data.val) == 0:
        note("there is no validation patch: the last checkpoint is the result")
    processes = run.fabric.world_size
    note(f"device {run.fabric.device}, {processes} process(es), {run.options.precision}")
