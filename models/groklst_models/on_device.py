"""Run a fitted method on another device than the CPU.

Methods do not handle devices: a scene's blocks are on one (``contract.Block``), and so is
everything computed from them. Random numbers are drawn on the CPU and moved, so that they do not
depend on the device.
"""

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from groklst_models.contract import CPU, Method, Tiles


class OnDevice:
    """A fitted method that computes on a device, with tiles and answers on the CPU.

    In another process it starts on the CPU, because that process may have another device or none.

    Attributes:
        method: Fitted, with all that it has found on the device.
        device: Where it computes.
    """

    concurrent = False

    def __init__(self, method: Method, device: torch.device) -> None:
        """Move a method to a device."""
        self.method: Method = moved(method, device)
        self.device = device

    @property
    def scale(self) -> int:
        """Fine pixels along a coarse pixel."""
        return self.method.scale

    @property
    def halo(self) -> int:
        """Coarse pixels of surroundings that a tile needs."""
        return self.method.halo

    @property
    def uses_guide(self) -> bool:
        """Whether guidance is worth reading for it."""
        return self.method.uses_guide

    def predict(self, tiles: Tiles) -> Tensor:
        """Predict there; kelvin, on the CPU."""
        guide = None if tiles.guide is None else tiles.guide.to(self.device)
        there = replace(tiles, lst=tiles.lst.to(self.device), guide=guide)
        return self.method.predict(there).cpu()

    def leave(self) -> None:
        """Free the device's memory; the method cannot predict any more."""
        self.method = moved(self.method, CPU)

    def __getstate__(self) -> dict[str, Any]:
        return {"method": moved(self.method, CPU), "device": CPU}


def on_device(method: Method, device: torch.device) -> Method:
    """Return a fitted method that predicts on a device; on the CPU, the method itself."""
    own = method.method if isinstance(method, OnDevice) else method
    if device.type == "cpu":
        return moved(own, CPU) if own is not method else own
    if isinstance(method, OnDevice) and method.device == device:
        return method
    return OnDevice(own, device)


def moved(value: Any, device: torch.device) -> Any:
    """Copy a value with all of its tensors on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, nn.Module):
        return deepcopy(value).to(device)
    if isinstance(value, Mapping):
        return {key: moved(held, device) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(moved(held, device) for held in value)
    if not type(value).__module__.startswith("groklst_models.") or isinstance(value, type):
        return value
    other = copy(value)
    for name, held in vars(value).items():
        object.__setattr__(other, name, moved(held, device))  # some are frozen
    return other
