"""What the shipped weights are worth: RMSE over bicubic's on real scenes, method beside method.

``python benchmarks/fusion.py SCENES [--scales 4 8] [--methods fusion auto local] [--rgb]``
runs methods as a user does under Wald's protocol, with all guides or, with ``--rgb``, with red,
green and blue alone, and prints each ratio, their means and the worst; ``--mix SHARE …`` adds means
of ``auto`` and ``fusion`` in which ``fusion`` has such shares. SCENES are those of
``groklst evaluate``; with ``--apart NAME …`` they are training scenes, read as the recipe
``recipes/fusion.toml`` reads them, for weights (``--weights FILE``) that were trained on others.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from guards import Trial, plain_trial
from real_scenes import on_disk

from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.geo.conserve import block_means, smooth_field
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.fill import fill_gaps
from groklst_cli.pipeline.evaluate.cases import wald_case
from groklst_cli.pipeline.evaluate.protocol import WaldProtocol, find_protocol
from groklst_cli.pipeline.train_fusion.options import FusionOptions
from groklst_cli.pipeline.train_fusion.pieces import read_scene
from groklst_models.contract import FittedMethod, Tiles
from groklst_models.registry import build
from groklst_models.regression.held_back import held_back

COLOURS = ("blue", "green", "red")
METHODS = {"auto": "best"}


@dataclass(frozen=True)
class Named:
    """A scene at a scale, in memory."""

    name: str
    trial: Trial


def public(scenes: Path, scales: list[int]) -> Iterator[Named]:
    """Make the cases of a folder of scenes at any scale."""
    protocol = find_protocol("wald_x4")
    assert isinstance(protocol, WaldProtocol)
    with tempfile.TemporaryDirectory() as work:
        for scale in scales:
            for scene in scene_folders(scenes):
                if scene.name not in protocol.left_out:
                    with gdal_environment():
                        case = wald_case(SceneFolder.read(scene), replace(protocol, scale=scale))
                        yield Named(scene.name, plain_trial(on_disk(case, Path(work))))


def apart(scenes: Path, scales: list[int], recipe: Path, names: list[str]) -> Iterator[Named]:
    """Make cases of whole training scenes, at their own resolution."""
    options = FusionOptions.read(recipe)
    for scale in scales:
        for name in names:
            with gdal_environment():
                piece = read_scene(SceneFolder.read(scenes / name), options)
            height, width = (size // scale * scale for size in piece.truth.shape)
            truth, guide = piece.truth[:height, :width], piece.guide[:, :height, :width]
            lst = block_means(truth, scale).astype(np.float32)
            known = np.isfinite(lst).repeat(scale, 0).repeat(scale, 1)
            truth = np.where(known, truth, np.float32(np.nan))
            yield Named(name, Trial(lst, guide.copy(), truth, piece.bands, scale))


def coloured(named: Named) -> Named | None:
    """Keep red, green and blue; None where they are not all there."""
    trial = named.trial
    kept = [index for index, band in enumerate(trial.bands) if band in COLOURS]
    if len(kept) < len(COLOURS):
        return None
    bands = tuple(trial.bands[index] for index in kept)
    return Named(named.name, replace(trial, guide=trial.guide[kept], bands=bands))


def answer(trial: Trial, method: str, weights: str | None) -> np.ndarray:
    """Fit, hold back, predict and conserve as a user's run does; kelvin."""
    make = partial(_made, METHODS.get(method, method), weights)
    fitted = make(trial.scale)
    fitted.fit(trial)
    fitted, _ = held_back(fitted, make, trial)
    lst = torch.from_numpy(fill_gaps(trial.lst, float(np.nanmean(trial.lst))).copy())
    tiles = Tiles(lst[None, None], torch.from_numpy(trial.guide)[None], (0,), (0,))
    fine = fitted.predict(tiles)[0, 0].numpy()
    if method != "bicubic":
        fine = fine + smooth_field(trial.lst - block_means(fine, trial.scale), trial.scale)
    return fine


def rmse(fine: np.ndarray, trial: Trial) -> float:
    """Compare with the truth, kelvin."""
    return float(np.sqrt(np.nanmean((fine - trial.truth).astype(np.float64) ** 2)))


def _made(name: str, weights: str | None, scale: int) -> FittedMethod:
    own = {"weights": weights} if weights and name == "fusion" else {}
    method: FittedMethod = build(name, scale=scale, **own)
    return method


def main() -> None:
    """Print a row a scene, and for each scale the means and the worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--methods", nargs="+", default=["fusion", "auto", "local"])
    parser.add_argument("--rgb", action="store_true")
    parser.add_argument("--apart", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--weights")
    parser.add_argument("--mix", type=float, nargs="+", default=[], metavar="SHARE")
    parser.add_argument("--recipe", type=Path, default=Path("recipes/fusion.toml"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    ratios: dict[tuple[int, str], list[float]] = {}
    if options.apart:
        found = apart(options.scenes, options.scales, options.recipe, options.apart)
    else:
        found = public(options.scenes, options.scales)
    for named in found:
        kept = coloured(named) if options.rgb else named
        if kept is None:
            continue
        trial, scale = kept.trial, kept.trial.scale
        plain = rmse(answer(trial, "bicubic", None), trial)
        made = {method: answer(trial, method, options.weights) for method in options.methods}
        for share in options.mix:
            both = (1 - share) * made["auto"] + share * made["fusion"]
            made[f"mix {share:g}"] = both
        row = []
        for method, fine in made.items():
            ratio = rmse(fine, trial) / plain
            ratios.setdefault((scale, method), []).append(ratio)
            row.append(f"{method} {ratio:.3f}")
        print(f"x{scale:<2d} {kept.name:34s} {plain:.3f} K  {'  '.join(row)}", flush=True)
    for (scale, method), rows in ratios.items():
        print(f"x{scale} {method}: mean {np.mean(rows):.3f}, worst {max(rows):.3f} of {len(rows)}")


if __name__ == "__main__":
    main()
