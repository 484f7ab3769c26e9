"""How far a fitted method's map moves when its guides are moved by rounding.

Each value of the guides is multiplied by 1 plus or minus about a unit in the last place of single
precision; the method is fitted again, and the largest change of a pixel is printed, kelvin. Another
order of sums, such as a GPU's, can hardly be expected to change less.

Run: python benchmarks/rounding.py
"""

from dataclasses import replace

import numpy as np
import torch

from groklst_models.contract import Tiles
from groklst_models.registry import REGISTRY, build
from tests.models.toy_scene import ToyScene

UNIT = 2.0**-23
BANDS = ("red", "nir", "green")


def answer(name: str, scene: ToyScene) -> torch.Tensor:
    """Fit a method to a scene and predict it whole; kelvin."""
    method = build(name, scale=scene.scale)
    method.fit(scene)
    lst, guide = (torch.from_numpy(values)[None] for values in (scene.lst, scene.guide))
    fine: torch.Tensor = method.predict(Tiles(lst[None], guide, (0,), (0,)))
    return fine


def main() -> None:
    """Print a line for each method that computes on any device."""
    scene = ToyScene.make(BANDS, (60, 52), 4)
    signs = np.random.default_rng(0).choice([-1, 1], scene.guide.shape)
    moved = replace(scene, guide=(scene.guide * (1 + UNIT * signs)).astype(np.float32))
    for name, entry in REGISTRY.items():
        if not entry.needs_weights and entry.any_device:
            off = (answer(name, scene) - answer(name, moved)).abs()
            rms = off.square().mean().sqrt()
            print(f"{name}: at most {off.max():.5f} K, {rms:.6f} K RMS", flush=True)


if __name__ == "__main__":
    main()
