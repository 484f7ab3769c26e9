"""Fitted methods on a GPU against the CPU: seconds to fit and to predict, and kelvin between them.

Needs no library of rasters: the scene is made in memory.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import torch
from gpu_setting import Setting

from groklst_models.contract import CPU, Method, Tiles
from groklst_models.on_device import on_device
from groklst_models.registry import REGISTRY, build
from tests.models.toy_scene import ToyScene

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
SHORT = {"scene-net": {"steps": 4, "networks": 1}, "pixtransform": {"steps": 4}}
"""Arguments of a rehearsal, where the least scene is not enough to be soon done."""
PROMISED, LOOSE = 0.001, {"pixtransform": 0.5}
"""Kelvin by which any pixel may differ; ``docs/precision.md`` states it."""

Found = TypeVar("Found")


def fitted(setting: Setting) -> Iterator[dict[str, Any]]:
    """Compare one method after the other; one that fails does not keep the others from it."""
    device = setting.begin()
    scene = (
        ToyScene.make(BANDS, (22, 20), 2) if setting.tiny else ToyScene.make(BANDS, (128,) * 2, 8)
    )
    names = [name for name, entry in REGISTRY.items() if not entry.needs_weights]
    for name in names:
        if setting.knows(method=name) or not REGISTRY[name].any_device:
            continue
        try:
            yield {"method": name, **compare(name, scene, device, setting)}
        except Exception as error:  # whatever it is, it is what was to be found out
            yield {"method": name, "error": f"{type(error).__name__}: {error}"[:300]}


def compare(name: str, scene: ToyScene, device: torch.device, setting: Setting) -> dict[str, Any]:
    """Fit and predict twice on the device, the first time to warm it up, and once on the CPU."""
    there = replace(scene, device=device)
    if setting.on_cuda:
        answer(name, there, setting)
    setting.forget_peak()
    far, *on_gpu = answer(name, there, setting)
    again = answer(name, there, setting)[0]
    near, *on_cpu = answer(name, replace(scene, device=CPU), setting)
    off = (far - near).double()
    return {
        "fit s": on_gpu[0],
        "CPU fit s": on_cpu[0],
        "predict s": on_gpu[1],
        "CPU predict s": on_cpu[1],
        "CPU / GPU": sum(on_cpu) / sum(on_gpu),
        "rms K": off.square().mean().sqrt().item(),
        "largest K": off.abs().max().item(),
        "again off": (far - again).abs().max().item(),
        "keeps the promise": "yes" if off.abs().max() <= LOOSE.get(name, PROMISED) else "no",
        "peak GiB": setting.peak(),
    }


def answer(name: str, scene: ToyScene, setting: Setting) -> tuple[torch.Tensor, float, float]:
    """Fit a method and predict the whole scene as one tile; the answer and the seconds of both."""
    method = build(name, scale=scene.scale, **(SHORT.get(name, {}) if setting.tiny else {}))
    lst, guide = (torch.from_numpy(values)[None] for values in (scene.lst, scene.guide))
    tiles = Tiles(lst[None], guide, (0,), (0,))

    def fit() -> Method:
        method.fit(scene)
        return on_device(method, scene.device)

    ready, fitting = timed(fit, setting)
    fine, predicting = timed(lambda: ready.predict(tiles), setting)
    return fine, fitting, predicting


def timed(work: Callable[[], Found], setting: Setting) -> tuple[Found, float]:
    """Do something to its end and return what it found, and the seconds."""
    setting.wait()
    began = time.perf_counter()
    found = work()
    setting.wait()
    return found, time.perf_counter() - began
