"""Training as one story: ``fit``, then ``train``, ``train_step``, ``validate`` and ``save``.

All that changes is in one ``Training``. Sample ``n`` and step ``t`` draw their random numbers from
the seed and their own number, so a run that is stopped and resumed does what a run in one piece
does.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from groklst_cli.data.samples import Sample
from groklst_cli.errors import GroklstError
from groklst_cli.pipeline.train import run_folder
from groklst_cli.pipeline.train.data import batches, step_seed
from groklst_cli.pipeline.train.interrupts import Interrupts
from groklst_cli.pipeline.train.log import TrainLog, TrainProgress
from groklst_cli.pipeline.train.loss import sample_losses
from groklst_cli.pipeline.train.meter import ProgressMeter
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.processes import any_of_all, launch, mean_of_all, part
from groklst_cli.pipeline.train.run_folder import Trained
from groklst_cli.pipeline.train.sets import TrainData, open_data
from groklst_cli.pipeline.train.training import Training, begin
from groklst_cli.pipeline.train.validation import draw_if_due, measured_spread, score_patches
from groklst_models import checkpoint


def fit(
    options: TrainOptions,
    *,
    resume: bool = False,
    overwrite: bool = False,
    data: TrainData | None = None,
    note: Callable[[str], None] = lambda text: None,
    watch: Callable[[TrainProgress], None] = lambda progress: None,
) -> Trained:
    """Train a network, from the start or from where it was stopped.

    Args:
        options: Of the run.
        resume: Whether to go on from the state in the run's folder.
        overwrite: Whether a run in that folder may be replaced.
        data: Its sets, where they are open already.
        note: Called with messages.
        watch: Called with the progress.

    Returns:
        The checkpoint and its scores.

    Raises:
        GroklstError: If it cannot be carried out.
        KeyboardInterrupt: On SIGINT, once the state is saved; SIGTERM does what it would have done.
    """
    began = time.monotonic()
    run_folder.check(options, resume=resume, overwrite=overwrite)
    state = run_folder.state_to_resume(options) if resume else None
    data = data or open_data(options, run_folder.bands_of(state))
    fabric = launch(options.device, options.precision)
    training = begin(options, data, fabric, state)
    if training.speaks:
        for line in training.describe():
            note(line)
        run_folder.lay_out(options, resume=resume)
    with Interrupts() as interrupts:
        with _open_log(training) as log:
            if training.begun_from and training.step == 0 and training.best == math.inf:
                score_first_weights(training, log, note)
            train(training, interrupts, log, watch)
        interrupts.raise_again()
    named = training.folder / (run_folder.BEST if math.isfinite(training.best) else run_folder.LAST)
    scores = checkpoint.read_header(named).scores if training.speaks else training.scores
    part(fabric)
    seconds = time.monotonic() - began
    return Trained(named, training.step, dict(scores), seconds, training.speaks)


def _open_log(training: Training) -> AbstractContextManager[TrainLog | None]:
    if not training.speaks:
        return nullcontext()
    tensorboard = training.options.tensorboard
    return TrainLog(training.folder, step=training.step, tensorboard=tensorboard)


def score_first_weights(
    training: Training, log: TrainLog | None, note: Callable[[str], None]
) -> None:
    """Validate the weights that a run starts from, so that the best is never worse than they."""
    better = validate(training, log)
    save(training, best=better)
    if training.speaks and better:
        note(f"validation RMSE of the first weights: {training.best:.4f} K")


def train(
    training: Training,
    interrupts: Interrupts,
    log: TrainLog | None,
    watch: Callable[[TrainProgress], None],
) -> None:
    """Do the steps that are left; save now and then, and when it ends or is stopped.

    Raises:
        GroklstError: If the loss is NaN or infinite.
    """
    options, meter = training.options, ProgressMeter()
    steps = range(training.step, options.steps)
    for batch in meter.waiting(batches(training.data, options, steps, training.fabric)):
        meter.add(train_step(training, batch))
        ended = training.step == options.steps
        stopped = any_of_all(training.fabric, interrupts.noted is not None)
        if training.step % options.log_every == 0 or ended or stopped:
            _report(training, meter, log, watch)
        if training.step % options.validate_every == 0 or ended:
            save(training, best=validate(training, log))
            meter.restart()
        elif training.step % options.save_every == 0 or stopped:
            save_progress(training)
        if stopped:
            return


def train_step(training: Training, batch: Sample) -> Tensor:
    """Do one step and return its loss, on the device.

    Raises:
        GroklstError: If a gradient that is to be clipped is NaN or infinite.
    """
    options, fabric = training.options, training.fabric
    torch.manual_seed(step_seed(options, training.step, fabric.global_rank))
    for group in training.optimizer.param_groups:
        group["lr"] = learning_rate(training.step, options)
    loss = sample_losses(training, batch).mean()
    training.optimizer.zero_grad(set_to_none=True)
    fabric.backward(loss)
    if options.clip:
        _clip_gradients(training)
    training.optimizer.step()
    training.step += 1
    if options.ema:
        training.average()
    return loss.detach()


def _clip_gradients(training: Training) -> None:
    options = training.options
    try:
        training.fabric.clip_gradients(
            training.network,
            training.optimizer,
            max_norm=options.clip,
            error_if_nonfinite=options.precision != "fp16",  # there its scaler skips the step
        )
    except RuntimeError as error:
        if "non-finite" not in str(error):  # torch has no class of its own for it
            raise
        raise GroklstError(
            f"a gradient is NaN or infinite at step {training.step + 1}; lower --set "
            "learning_rate=…; the state before this step is kept for --resume"
        ) from error


def learning_rate(step: int, options: TrainOptions) -> float:
    """Return the learning rate of a step, counted from 0."""
    warm = min(1.0, (step + 1) / (options.warmup + 1))
    if options.schedule == "steps":
        passed = sum(step >= milestone for milestone in options.milestones)
        return max(options.floor, options.learning_rate * options.decay**passed) * warm
    period = options.period if options.schedule == "restarts" else options.steps
    phase = (step % period) / period
    rate = options.floor + (options.learning_rate - options.floor) * 0.5 * (
        1 + math.cos(math.pi * phase)
    )
    return rate * warm


def _report(
    training: Training,
    meter: ProgressMeter,
    log: TrainLog | None,
    watch: Callable[[TrainProgress], None],
) -> None:
    """Log the mean loss over all processes since the last report, and refuse one that is no number.

    Raises:
        GroklstError: If the loss is NaN or infinite.
    """
    loss = float(mean_of_all(training.fabric, meter.mean_loss()))
    if not math.isfinite(loss):
        raise GroklstError(
            f"the loss is {loss} at step {training.step}; lower --set learning_rate=…, or add "
            "--set clip=1.0; the state before this step is kept for --resume"
        )
    pace, options = meter.pace(), training.options
    if log is not None:
        rate = learning_rate(training.step - 1, options)
        log.write(training.step, {"loss": loss, "learning_rate": rate, **pace})
    scores = training.mean_scores()
    watch(TrainProgress(training.step, options.steps, loss, pace["steps_per_second"], scores))
    meter.restart()


def validate(training: Training, log: TrainLog | None) -> bool:
    """Score and draw the validation patches, and tell whether these weights are the best so far."""
    summary, panels = score_patches(training)
    better = summary is not None and training.take_scores(summary)
    if not training.speaks:
        return better
    if summary is not None and log is not None:
        log.write(training.step, training.mean_scores())
    if better and (spread := measured_spread(training)) is not None:
        training.scores[spread.answers.score] = spread.factor
    draw_if_due(training, panels)
    return better


def save(training: Training, *, best: bool) -> None:
    """Keep the last checkpoint, the best one if these weights are it, and the state."""
    if not training.speaks:
        return
    made = training.checkpoint()
    checkpoint.save(made, training.folder / run_folder.LAST)
    if best:
        checkpoint.save(made, training.folder / run_folder.BEST)
    save_progress(training)


def save_progress(training: Training) -> None:
    """Keep the state, to resume from."""
    if training.speaks:
        run_folder.save_state(training.state(), training.folder / run_folder.STATE)
