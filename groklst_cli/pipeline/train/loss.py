"""The loss: each sample by itself, over its valid pixels."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_cli.data.samples import Sample
from groklst_cli.pipeline.train.training import Training
from groklst_models.bands import derive_known
from groklst_models.contract import SamplingNetwork
from groklst_models.guidance import coarse_means
from groklst_models.inputs import NetworkInputs, network_inputs
from groklst_models.padding import run_padded
from groklst_models.sampling.interpolation import upsample_cubic

_HUBER: Final = 0.5
"""Spreads of the LST at which the square turns into a line."""


def sample_losses(training: Training, batch: Sample) -> Tensor:
    """Compute ``(B,)`` losses, each over the valid pixels of its own sample."""
    scale, normalization = training.options.scale, training.normalization
    guide = derive_known(batch["guide"], training.data.train.bands, training.data.bands)
    inputs = network_inputs(normalization, batch["lst"], guide, scale)
    truth = inputs.spread.standardize(batch["truth"])
    fine = inputs.complete(_answers(training, inputs, truth).float())
    known = batch["known"].float()
    if training.options.conserve:
        lst = inputs.spread.standardize(batch["lst"])
        fine = conserve_means(fine, lst, known, scale)
    valid = torch.isfinite(truth) & (functional.interpolate(known, scale_factor=scale) > 0)
    error = torch.where(valid, fine - torch.nan_to_num(truth), 0.0)
    values = _values(training, error, inputs.spread.std)
    return values.sum(dim=(1, 2, 3)) / valid.sum(dim=(1, 2, 3)).clamp(min=1)


def _answers(training: Training, inputs: NetworkInputs, truth: Tensor) -> Tensor:
    """Run the network; one with chance in it guesses the truth from a state drawn at random."""
    if not isinstance(training.bare, SamplingNetwork):
        return run_padded(training.network, inputs.lst, inputs.guide, training.options.scale)
    target = truth if inputs.trend is None else truth - inputs.trend
    coarse = upsample_cubic(inputs.lst, training.options.scale)
    target = torch.where(torch.isnan(target), coarse, target)  # gaps are as if interpolated
    step = torch.randint(training.bare.steps, (len(target),), device=target.device)
    noise = torch.randn_like(target)
    guess: Tensor = training.network.guess(inputs.lst, inputs.guide, target, noise, step)
    return guess


def _values(training: Training, error: Tensor, std: Tensor) -> Tensor:
    """Value the error of each pixel, given in the LST's spreads."""
    loss = training.options.loss
    if loss == "auto":
        loss = "mse" if isinstance(training.bare, SamplingNetwork) else "l1"
    if loss == "l1":
        return error.abs() * std
    if loss == "mse":
        return error.square()
    return functional.smooth_l1_loss(error, torch.zeros_like(error), beta=_HUBER, reduction="none")


def conserve_means(fine: Tensor, lst: Tensor, known: Tensor, scale: int) -> Tensor:
    """Restore coarse means where they are known, nearly, by a smooth correction applied twice."""
    for _ in range(2):
        missing = (lst - coarse_means(fine, scale)) * known
        fine = fine + upsample_cubic(missing, scale)
    return fine
