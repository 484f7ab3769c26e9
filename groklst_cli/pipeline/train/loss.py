"""The loss: each sample by itself, over its valid pixels."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from groklst_cli.data.samples import Sample
from groklst_cli.pipeline.train.training import Training
from groklst_models.bands import derive_known
from groklst_models.guidance import coarse_means
from groklst_models.inputs import network_inputs
from groklst_models.padding import run_padded
from groklst_models.sampling.interpolation import upsample_cubic

_HUBER: Final = 0.5
"""Spreads of the LST at which the square turns into a line."""


def sample_losses(training: Training, batch: Sample) -> Tensor:
    """Compute ``(B,)`` losses, each over the valid pixels of its own sample."""
    scale, normalization = training.options.scale, training.normalization
    guide = derive_known(batch["guide"], training.data.train.bands, training.data.bands)
    inputs = network_inputs(normalization, batch["lst"], guide, scale)
    fine = inputs.complete(run_padded(training.network, inputs.lst, inputs.guide, scale).float())
    known = batch["known"].float()
    if training.options.conserve:
        lst = inputs.spread.standardize(batch["lst"])
        fine = conserve_means(fine, lst, known, scale)
    truth = inputs.spread.standardize(batch["truth"])
    valid = torch.isfinite(truth) & (functional.interpolate(known, scale_factor=scale) > 0)
    error = torch.where(valid, fine - torch.nan_to_num(truth), 0.0)
    if training.options.loss == "l1":
        values = error.abs() * inputs.spread.std
    elif training.options.loss == "mse":
        values = error.square()
    else:
        values = functional.smooth_l1_loss(
            error, torch.zeros_like(error), beta=_HUBER, reduction="none"
        )
    return values.sum(dim=(1, 2, 3)) / valid.sum(dim=(1, 2, 3)).clamp(min=1)


def conserve_means(fine: Tensor, lst: Tensor, known: Tensor, scale: int) -> Tensor:
    """Restore coarse means where they are known, nearly, by a smooth correction applied twice."""
    for _ in range(2):
        missing = (lst - coarse_means(fine, scale)) * known
        fine = fine + upsample_cubic(missing, scale)
    return fine
