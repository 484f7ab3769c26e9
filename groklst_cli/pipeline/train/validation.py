"""Validation: whole patches, computed as ``downscale`` would, scored and drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_cli.data.samples import Sample, WholePatches
from groklst_cli.geo.conserve import block_means, smooth_field
from groklst_cli.geo.durable import whole_file
from groklst_cli.geo.metrics import MeanScores, Scores
from groklst_cli.pipeline.train.processes import gather
from groklst_cli.pipeline.train.training import Training
from groklst_cli.shown_text import printable
from groklst_models.answer_spread import MeasuredSpread, answers_of
from groklst_models.contract import Tiles
from groklst_models.network_method import NetworkMethod, run_network

_PANELS = 4


@dataclass(frozen=True)
class Panel:
    """One validation patch to draw; all in kelvin, NaN where there is no value."""

    name: str
    coarse: NDArray[np.float32]
    prediction: NDArray[np.float32]
    truth: NDArray[np.float32]


def score_patches(training: Training) -> tuple[MeanScores | None, list[Panel]]:
    """Score the validation patches; processes share them, and all get the scores of all.

    Returns:
        Scores over all patches, None where there is none with a truth, and some to draw.
    """
    options, fabric = training.options, training.fabric
    method = _method(training)
    patches = WholePatches(training.data.val)
    scored: list[tuple[int, Scores]] = []
    panels: list[Panel] = []
    for index in range(fabric.global_rank, len(patches), fabric.world_size):
        panel = _predict(method, patches, index, conserve=options.conserve)
        if np.isfinite(panel.prediction - panel.truth).any():
            scored.append((index, Scores.of(panel.prediction, panel.truth, panel.coarse)))
            panels += [panel][: _PANELS - len(panels)]
    training.averaged.train()
    everyone = sorted(gather(fabric, scored), key=lambda item: item[0])
    return (MeanScores.of([scores for _, scores in everyone]) if everyone else None), panels


def measured_spread(training: Training) -> MeasuredSpread | None:
    """Measure what the spread of several answers is to be multiplied by; see ``answer_spread``.

    Returns:
        The ratio of error to spread over some validation patches, None where there is no truth.
    """
    method, patches = _method(training), WholePatches(training.data.val)
    answers = answers_of(method)
    errors = spreads = 0.0
    for index in range(0, len(patches), max(1, len(patches) // _PANELS)):
        sample = patches[index]
        several = torch.stack(list(answers.ask(method, _tile(sample, method))))[:, 0]
        error = _predict(method, patches, index, conserve=training.options.conserve)
        off = torch.from_numpy(error.prediction - error.truth)
        known = torch.isfinite(off)
        errors += float((off[known] ** 2).sum())
        spreads += float((several.var(dim=0)[0][known]).sum())
    training.averaged.train()
    if not (errors > 0 and spreads > 0):
        return None
    return MeasuredSpread(answers, math.sqrt(errors / spreads))


def draw_if_due(training: Training, panels: Sequence[Panel]) -> None:
    """Draw patches now and then, and when all steps are done."""
    every, step = training.options.picture_every, training.step
    due = step == training.options.steps or (every > 0 and step % every == 0)
    if panels and due:
        _draw(panels, training.folder / "pictures" / f"step_{step:06d}.png")


def _draw(panels: Sequence[Panel], picture: Path) -> None:
    """Draw patches in rows: coarse, prediction and truth on one scale, and the error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 4, squeeze=False)
    for row, panel in zip(axes, panels, strict=True):
        low, high = (float(v) for v in np.nanpercentile(panel.truth, [1, 99]))
        error = panel.prediction - panel.truth
        reach = max(float(np.nanpercentile(np.abs(error), 99)), 1e-3)
        planes = [panel.coarse, panel.prediction, panel.truth]
        for axis, plane, title in zip(row, planes, ("", "fine", "truth"), strict=False):
            drawn = axis.imshow(plane, cmap="inferno", vmin=low, vmax=high, interpolation="none")
            axis.set_title(title)
        row[0].set_title(f"{printable(panel.name)}\ncoarse", loc="left", parse_math=False)
        figure.colorbar(drawn, ax=list(row[:3]), label="LST (K)", shrink=0.8)
        drawn = row[3].imshow(error, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="none")
        row[3].set_title(f"error, RMSE {np.sqrt(np.nanmean(error**2)):.3f} K")
        figure.colorbar(drawn, ax=row[3], label="K", shrink=0.8)
        for axis in row:
            axis.set_axis_off()
    picture.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(picture) as made:
        figure.savefig(made, dpi=80, format="png")


def _method(training: Training) -> NetworkMethod:
    return run_network(
        training.averaged,
        training.normalization,
        scale=training.options.scale,
        bands=training.data.val.bands,
        device=training.fabric.device,
        precision=training.options.precision,
    )


def _predict(method: NetworkMethod, patches: WholePatches, index: int, *, conserve: bool) -> Panel:
    sample = patches[index]
    fine = method.predict(_tile(sample, method))[0, 0].numpy()
    coarse = torch.where(sample["known"], sample["lst"], torch.nan)[0].numpy()
    if conserve:
        fine = fine + smooth_field(coarse - block_means(fine, method.scale), method.scale)
    gaps = np.isnan(coarse).repeat(method.scale, axis=0).repeat(method.scale, axis=1)
    prediction = np.where(gaps, np.float32(np.nan), fine)
    return Panel(patches.name(index), coarse, prediction, sample["truth"][0].numpy())


def _tile(sample: Sample, method: NetworkMethod) -> Tiles:
    guide = sample["guide"][None] if method.uses_guide else None
    return Tiles(sample["lst"][None], guide, (0,), (0,))
