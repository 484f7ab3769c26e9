"""Whether a fitted method ever does harm: its RMSE over plain bicubic's where guidance misleads.

``python benchmarks/guards.py SCENES [--methods best local …] [--scales 4 8] [--scene NAME …]``
gives each method, as it is run for a user (held back by what a rehearsal bears out), under Wald's
protocol, the scene as it is, guides of noise, turned by half, constant, one band alone, a crop of 8
coarse pixels, a cloud in the guides and a gap in the LST, and prints each ratio and the worst (1.02
is allowed).
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from real_scenes import wald_cases

from groklst_cli.geo.conserve import block_means, smooth_field
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.fill import fill_gaps
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.evaluate.cases import Case
from groklst_models.contract import Block, FittedMethod, Tiles
from groklst_models.registry import build
from groklst_models.regression.held_back import held_back


@dataclass(frozen=True)
class Trial:
    """A scene in memory, seen as fitted methods see one."""

    lst: np.ndarray
    guide: np.ndarray
    truth: np.ndarray
    bands: tuple[str, ...]
    scale: int
    psf: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Coarse rows and columns."""
        return self.lst.shape[0], self.lst.shape[1]

    def window(self, rows: slice, columns: slice) -> Block:
        """Cut out one part."""
        s = self.scale
        guide = self.guide[:, rows.start * s : rows.stop * s, columns.start * s : columns.stop * s]
        lst = self.lst[rows, columns]
        return Block(rows.start, columns.start, lst.copy(), guide.copy(), slice(0, len(lst)))

    def blocks(self, margin: int = 0) -> Iterator[Block]:
        """Hand out all of it at once; there is nothing around it."""
        yield self.window(slice(0, self.shape[0]), slice(0, self.shape[1]))

    def rmse(self, name: str, *, conserve: bool) -> float:
        """Fit, predict and compare with the truth, kelvin."""
        make = partial(_made, name)
        method = make(self.scale)
        method.fit(self)
        method, _ = held_back(method, make, self)
        lst = torch.from_numpy(fill_gaps(self.lst, float(np.nanmean(self.lst))).copy())
        tiles = Tiles(lst[None, None], torch.from_numpy(self.guide)[None], (0,), (0,))
        fine = method.predict(tiles)[0, 0].numpy()
        if conserve:
            fine = fine + smooth_field(self.lst - block_means(fine, self.scale), self.scale)
        return float(np.sqrt(np.nanmean((fine - self.truth) ** 2)))


def _made(name: str, scale: int) -> FittedMethod:
    method: FittedMethod = build(name, scale=scale)
    return method


def plain_trial(case: Case) -> Trial:
    """Read a case as it is."""
    with gdal_environment(), Scene(case.lst, case.guides, case.scale) as scene:
        whole = slice(0, scene.coarse.height), slice(0, scene.coarse.width)
        guide = scene.read_guide(*whole)
        return Trial(scene.read_lst(*whole), guide, case.truth, scene.bands, case.scale)


def trials(plain: Trial, rng: np.random.Generator) -> Iterator[tuple[str, Trial]]:
    """Mislead in every way."""
    guide, s = plain.guide, plain.scale
    yield "as it is", plain
    yield "noise", replace(plain, guide=rng.normal(size=guide.shape).astype(np.float32))
    yield "turned", replace(plain, guide=guide[:, ::-1, ::-1].copy())
    yield "constant", replace(plain, guide=np.full_like(guide, 0.2))
    for index, band in enumerate(plain.bands):
        yield f"{band} alone", replace(plain, guide=guide[index : index + 1], bands=(band,))
    first, side = plain.shape[0] // 3, min(8, min(plain.shape) - 2)
    part = slice(first, first + side)
    fine = slice(part.start * s, part.stop * s)
    cropped = plain.lst[part, part]
    if np.isfinite(cropped).sum() > side:
        yield (
            "crop",
            replace(
                plain, lst=cropped, guide=guide[:, fine, fine].copy(), truth=plain.truth[fine, fine]
            ),
        )
    clouded = guide.copy()
    clouded[:, 20:70, 20:80] = 0.7
    yield "cloud in the guides", replace(plain, guide=clouded)
    lst, truth = plain.lst.copy(), plain.truth.copy()
    lst[:3], truth[: 3 * s] = np.nan, np.nan
    yield "gap in the LST", replace(plain, lst=lst, truth=truth)


def main() -> None:
    """Print a row a trial, and the worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--methods", nargs="+", default=["best", "local", "ridge"])
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--scene", nargs="+", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    ratios: dict[str, list[float]] = {method: [] for method in options.methods}
    with tempfile.TemporaryDirectory() as name:
        for case in wald_cases(options.scenes, options.scales, Path(name)):
            if options.scene and case.name not in options.scene:
                continue
            for what, trial in trials(plain_trial(case), rng):
                plain = trial.rmse("bicubic", conserve=False)
                for method in options.methods:
                    ratios[method].append(trial.rmse(method, conserve=True) / plain)
                row = " ".join(f"{method} {found[-1]:.3f}" for method, found in ratios.items())
                print(f"x{case.scale} {case.name:26s} {what:20s} {row}", flush=True)
    for method, found in ratios.items():
        print(f"{method}: worst {max(found):.3f} of {len(found)}")


if __name__ == "__main__":
    main()
