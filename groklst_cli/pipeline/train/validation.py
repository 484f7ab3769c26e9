"""Validation: whole patches, computed as ``downscale`` would."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_cli.data.samples import WholePatches
from groklst_cli.geo.conserve import block_means, smooth_field
from groklst_cli.geo.metrics import Scores, Summary
from groklst_cli.pipeline.train.log import Panel
from groklst_cli.pipeline.train.processes import gather
from groklst_cli.pipeline.train.run import Run
from groklst_models.contract import Tiles
from groklst_models.network_method import NetworkMethod
from groklst_models.turns import turned_answers

_PANELS = 4


def validate(run: Run) -> tuple[Summary | None, list[Panel]]:
    """Score the validation patches; processes share them, and all get the scores of all.

    Returns:
        Scores over all patches, None where there is none with a truth, and some to draw.
    """
    options, fabric = run.options, run.fabric
    method = _method(run)
    patches = WholePatches(run.data.val)
    scored: list[tuple[int, Scores]] = []
    panels: list[Panel] = []
    for index in range(fabric.global_rank, len(patches), fabric.world_size):
        panel = _predict(method, patches, index, conserve=options.conserve)
        if np.isfinite(panel.prediction - panel.truth).any():
            scored.append((index, Scores.of(panel.prediction, panel.truth, panel.coarse)))
            panels += [panel][: _PANELS - len(panels)]
    run.averaged.train()
    everyone = sorted(gather(fabric, scored), key=lambda item: item[0])
    return (Summary.of([scores for _, scores in everyone]) if everyone else None), panels


def spread_factor(run: Run) -> float | None:
    """Measure what the spread over flips and turns is to be multiplied by; see ``turns``.

    Returns:
        The ratio of error to spread over some validation patches, None where there is no truth.
    """
    method, patches = _method(run), WholePatches(run.data.val)
    errors = spreads = 0.0
    for index in range(0, len(patches), max(1, len(patches) // _PANELS)):
        sample = patches[index]
        guide = sample["guide"][None] if method.uses_guide else None
        tiles = Tiles(sample["lst"][None], guide, (0,), (0,))
        answers = torch.stack(list(turned_answers(method, tiles)))[:, 0]
        error = _predict(method, patches, index, conserve=run.options.conserve)
        off = torch.from_numpy(error.prediction - error.truth)
        known = torch.isfinite(off)
        errors += float((off[known] ** 2).sum())
        spreads += float((answers.var(dim=0)[0][known]).sum())
    run.averaged.train()
    return math.sqrt(errors / spreads) if errors > 0 and spreads > 0 else None


def _method(run: Run) -> NetworkMethod:
    return NetworkMethod(
        run.averaged,
        run.normalization,
        scale=run.options.scale,
        bands=run.data.val.bands,
        device=run.fabric.device,
        precision=run.options.precision,
    )


def _predict(method: NetworkMethod, patches: WholePatches, index: int, *, conserve: bool) -> Panel:
    sample = patches[index]
    guide = sample["guide"][None] if method.uses_guide else None
    fine = method.predict(Tiles(sample["lst"][None], guide, (0,), (0,)))[0, 0].numpy()
    coarse = torch.where(sample["known"], sample["lst"], torch.nan)[0].numpy()
    if conserve:
        fine = fine + smooth_field(coarse - block_means(fine, method.scale), method.scale)
    gaps = _repeat(np.isnan(coarse), method.scale)
    prediction = np.where(gaps, np.float32(np.nan), fine)
    return Panel(patches.name(index), coarse, prediction, sample["truth"][0].numpy())


def _repeat(mask: NDArray[np.bool_], scale: int) -> NDArray[np.bool_]:
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)
