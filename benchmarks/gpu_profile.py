"""Where the time of MoCoLSK-Net's forward pass goes on the device."""

from collections.abc import Iterator
from typing import Any

import torch
from gpu_forward import Way, numbers, ready
from gpu_setting import Setting
from torch.profiler import ProfilerActivity

SHOWN = 14


def profile(setting: Setting) -> Iterator[dict[str, Any]]:
    """Rank operations with the shapes they work on, then kernels, for both memory layouts."""
    setting.begin()
    for layout in ("planes", "channels last"):
        way = Way(1 if setting.tiny else 4, layout=layout)
        events = recorded(way, setting)
        yield from ranked(events.key_averages(group_by_input_shape=True), layout, setting)
        if setting.on_cuda:
            yield from ranked(events.key_averages(), layout, setting, kernels=True)


def recorded(way: Way, setting: Setting) -> torch.profiler.profile:
    """Watch one pass, after two that are not watched."""
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if setting.on_cuda else [])]
    with numbers(way, setting):
        network, given = ready(way, setting)
        for _ in range(2):
            network(*given)
        setting.wait()
        with torch.profiler.profile(activities=kinds, record_shapes=True) as events:
            network(*given)
            setting.wait()
    return events


def ranked(
    averages: Any, layout: str, setting: Setting, *, kernels: bool = False
) -> Iterator[dict[str, Any]]:
    """Name what takes longest, with its share of the time of its kind."""

    def micros(event: Any) -> float:
        on_device = setting.on_cuda
        return float(event.self_device_time_total if on_device else event.self_cpu_time_total)

    own = [event for event in averages if _is_kernel(event) == kernels]
    total = sum(map(micros, own)) or 1.0
    for event in sorted(own, key=micros, reverse=True)[:SHOWN]:
        shapes = [shape for shape in getattr(event, "input_shapes", []) if shape]
        yield {
            "layout": layout,
            "kind": "kernel" if kernels else "operation",
            "name": str(event.key)[:90],
            "shapes": "" if kernels else " ".join("×".join(map(str, s)) for s in shapes[:2]),
            "calls": event.count,
            "ms": micros(event) / 1000,
            "share": micros(event) / total,
        }


def _is_kernel(event: Any) -> bool:
    return event.device_type == torch.autograd.DeviceType.CUDA
