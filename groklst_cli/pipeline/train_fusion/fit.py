"""Training as one story: ``cases_of`` the scenes, then ``train`` a network for each seed."""

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.train_fusion.cases import Case, make_case
from groklst_cli.pipeline.train_fusion.draw import Batch, Draw
from groklst_cli.pipeline.train_fusion.options import FusionOptions
from groklst_cli.pipeline.train_fusion.pieces import cuts, read_scene
from groklst_models.regression.fusion_network import FusionNetwork
from groklst_models.regression.fusion_planes import NUMBERS, PLANES
from groklst_models.sampling.mean_spline import MeanSpline

_STRAIGHT = 3.0
"""Times bicubic's RMSE from which on an error counts linearly."""

Note = Callable[[str], None]


def training_scenes(data: Path, options: FusionOptions) -> list[SceneFolder]:
    """List the scenes of a folder that are not left out."""
    folders = [SceneFolder.read(path) for path in scene_folders(data)]
    return [folder for folder in folders if folder.name not in options.without]


def cases_of(scenes: Sequence[SceneFolder], options: FusionOptions, note: Note) -> Iterator[Case]:
    """Make the cases of some scenes."""
    for folder in scenes:
        with gdal_environment():
            whole = read_scene(folder, options)
        made = [make_case(folder.name, cut) for cut in cuts(folder.name, whole, options)]
        kept = [case for case in made if case is not None]
        ratio = sum(case.ratio for case in kept) / max(len(kept), 1)
        note(f"{folder.name}: {len(kept)} of {len(made)} cases, local {ratio:.3f} of bicubic's")
        yield from kept


def train(
    cases: Sequence[Case],
    options: FusionOptions,
    seed: int,
    note: Note,
    first: FusionNetwork | None = None,
) -> FusionNetwork:
    """Train one network; return the running mean of its weights.

    Args:
        cases: What it is trained on.
        options: The recipe.
        seed: Of first weights and of what is drawn.
        note: Told how far it is.
        first: A network of the same size to start from; None for chance.
    """
    torch.manual_seed(seed)
    draw = Draw(cases, options, seed)
    network = FusionNetwork(
        planes=PLANES, numbers=NUMBERS, width=options.width, blocks=options.blocks
    )
    numbers = torch.stack([case.numbers for case in cases])
    network.lowest, network.highest = numbers.amin(dim=0), numbers.amax(dim=0)
    if first is not None:
        lowest = torch.minimum(network.lowest, first.lowest)
        highest = torch.maximum(network.highest, first.highest)
        network.load_state_dict(first.state_dict())
        network.lowest, network.highest = lowest, highest
    averaged = deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=options.learning_rate,
        betas=(0.9, options.beta2),
        weight_decay=options.weight_decay,
    )
    spreads = {
        int(scale): MeanSpline(int(scale)).spread(options.crop // int(scale))
        for scale in options.scales
    }
    mean, plain = 0.0, 0.0
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        batch = draw.batch()
        answer = network(batch.planes, batch.numbers)
        answer = conserving(answer, spreads[batch.scale], batch.scale)
        value = loss(answer, batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), options.clip)
        optimizer.step()
        decay = min(options.ema, step / (step + 20))
        with torch.no_grad():
            pairs = zip(averaged.parameters(), network.parameters(), strict=True)
            for kept, now in pairs:
                kept.lerp_(now, 1 - decay)
        mean = 0.98 * mean + 0.02 * float(value.detach())
        plain = 0.98 * plain + 0.02 * float(loss(torch.zeros_like(answer), batch))
        if (step + 1) % 500 == 0 or step + 1 == options.steps:
            note(f"seed {seed}, step {step + 1}: {mean / plain:.3f} of the loss without it")
    return averaged


def conserving(answer: Tensor, spread: Tensor, scale: int) -> Tensor:
    """Take out of a correction what conserving the coarse means would undo."""
    means = functional.avg_pool2d(answer, scale)
    return answer - spread @ means @ spread.T


def loss(answer: Tensor, batch: Batch) -> Tensor:
    """Square errors over bicubic's RMSE, the largest ones linearly."""
    valid = batch.target.isfinite()
    error = torch.where(valid, answer - torch.nan_to_num(batch.target), 0.0) * batch.weight
    size = error.abs()
    square = torch.where(size < _STRAIGHT, size**2, _STRAIGHT * (2 * size - _STRAIGHT))
    return square.sum() / valid.sum().clamp(min=1)


def learning_rate(step: int, options: FusionOptions) -> float:
    """Return the learning rate of a step, counted from 0: a rise, a plateau, a cosine."""
    rise = min(1.0, (step + 1) / options.warmup)
    done = step / options.steps
    if done < options.flat:
        return options.learning_rate * rise
    phase = (done - options.flat) / (1 - options.flat)
    return options.learning_rate * rise * (0.5 * (1 + math.cos(math.pi * phase)) + 0.005)
