"""Prepare a method for a scene: fit it, or load its weights; and share the threads."""

from pathlib import Path
from typing import Any, Final

import torch

from groklst_cli.errors import InputError
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.batch import free_gpu
from groklst_cli.pipeline.predict.choice import Choice
from groklst_cli.pipeline.predict.devices import (
    find_device,
    find_precision,
    keep_fp32,
    keep_order,
)
from groklst_cli.pipeline.predict.listeners import Note, silent
from groklst_cli.pipeline.predict.reading import PointSpread
from groklst_cli.pipeline.predict.settings import Settings
from groklst_cli.pipeline.predict.view import FileView
from groklst_models.acceleration import accelerate
from groklst_models.checkpoint import load
from groklst_models.contract import CPU, FittedMethod, Method, SamplingMethod
from groklst_models.errors import ModelsError
from groklst_models.fading import Fading
from groklst_models.network_method import NetworkMethod, run_network
from groklst_models.on_device import OnDevice, on_device
from groklst_models.registry import arguments_of, build, find
from groklst_models.regression.held_back import held_back

_ON_A_GPU: Final = 2  # batches in progress: one is stacked and copied while the other is computed
_SEVERAL: Final = 4  # tiles from which on each is computed on one thread


def fit_or_load(
    choice: Choice,
    scene: Scene,
    settings: Settings,
    *,
    device: str | None = None,
    note: Note = silent,
) -> Method:
    """Build a method and prepare it for a scene.

    Args:
        choice: What to build.
        scene: What it will be run on.
        settings: The point spread for fitted methods, the precision for networks, the device.
        device: The device to use if the settings name several; their first if None. It must be
            available, even for a method that does not use it.
        note: Called with messages.

    Raises:
        DeviceError: If the device is not available.
        InputError: If the scene or the checkpoint lacks what the method needs.
    """
    name = device or settings.devices[0]
    found = find_device(name)
    try:
        if choice.checkpoint is not None:
            return _loaded(choice, choice.checkpoint, scene, settings, found, note)
        return _fitted(choice, scene, settings, device_of_fitted(choice.name, name, note), note)
    except ModelsError as error:
        raise InputError(_naming(choice.checkpoint or choice.weights, error)) from error


def device_of_fitted(method: str, name: str, note: Note = silent) -> torch.device:
    """Return where a fitted method computes: on the requested device if it can, else on the CPU.

    ``auto`` is the CPU, so that a default run has the same bits on machines with a GPU.

    Args:
        method: Its key.
        name: The requested device.
        note: Called with the reason if another device is used.

    Raises:
        DeviceError: If it is not available.
    """
    found = find_device(name)
    if name == "auto" or found.type == "cpu":
        return CPU
    if not find(method).any_device:
        note(f"{method} computes on the CPU, where its trees are grown; {name} is not used")
        return CPU
    if found.type == "mps":
        note(f"{method} computes on the CPU: {name} has no double precision")
        return CPU
    return found


def _fitted(
    choice: Choice, scene: Scene, settings: Settings, device: torch.device, note: Note
) -> Method:
    keep_fp32(device)
    keep_order(device)
    drawn: dict[str, Any] = {}
    if "seed" in arguments_of(choice.name):
        drawn["seed"] = settings.seed
    _note_without_effect(choice, settings, note, seed=not drawn, samples=True)
    if choice.weights is not None:
        drawn["weights"] = str(choice.weights)
    view = FileView(scene, psf=stated(settings.psf), device=device)
    fitted: FittedMethod = build(choice.name, scale=scene.scale, **drawn)
    fitted.fit(view)
    method, summary = held_back(
        fitted, lambda scale: build(choice.name, scale=scale, **drawn), view
    )
    if method.point_spread is not None:
        source = "estimated from the scene" if settings.psf == "auto" else "as stated"
        note(f"fitting the point spread ({method.point_spread:.1f} fine pixels), {source}")
    if summary:
        note(summary)
    whole = method.uses_guide and scene.covered_in_part
    return on_device(Fading(method) if whole else method, device)


def _loaded(
    choice: Choice,
    path: Path,
    scene: Scene,
    settings: Settings,
    device: torch.device,
    note: Note,
) -> Method:
    checkpoint = load(path)
    keep_fp32(device)
    keep_order(device)
    network = checkpoint.load_network().to(device)
    method = run_network(
        accelerate(network, device),
        checkpoint.header.normalization,
        scale=checkpoint.header.scale,
        bands=scene.bands,
        device=device,
        precision=find_precision(settings.precision, device),
        seed=settings.seed,
        samples=settings.samples,
    )
    plain = not isinstance(method, SamplingMethod)
    _note_without_effect(choice, settings, note, seed=plain, samples=plain)
    return method


def leave_device(method: Method) -> None:
    """Remove a method from its GPU, which other processes will need."""
    if method.device.type == "cpu":
        return
    if isinstance(method, NetworkMethod):
        method.network.to("cpu")
    elif isinstance(method, OnDevice):
        method.leave()
    free_gpu()


def _note_without_effect(
    choice: Choice, settings: Settings, note: Note, *, seed: bool, samples: bool
) -> None:
    """Report that a seed, or a number of samples, was set but has no effect."""
    if seed and settings.seed:
        note(f"seed {settings.seed} has no effect here: {choice.name} uses no random numbers")
    if samples and settings.samples > 1:
        note(f"samples {settings.samples} has no effect here: {choice.name} gives one answer")


def stated(psf: PointSpread) -> float | None:
    """Return the stated point spread, fine pixels; None if it is to be estimated."""
    if psf == "auto":
        return None
    return 0.0 if psf == "none" else float(psf)


def _naming(checkpoint: Path | None, error: ModelsError) -> str:
    """Add the name of the file to an error that lacks it."""
    text = str(error)
    return text if checkpoint is None or str(checkpoint) in text else f"{checkpoint}: {text}"


def share_processor(method: Method, tiles: int, *, own: int, machine: int) -> int:
    """Divide threads among tiles; return how many batches this process predicts at once.

    A network on the CPU computes each tile on one thread, several tiles at once, wherever the scene
    has several: so its bits do not depend on how many threads a process has (a transposed
    convolution's do), and no thread waits for another.

    Args:
        method: What will predict.
        tiles: Tiles of the whole scene, so that all processes decide the same.
        own: Threads of this process.
        machine: Threads of a process that runs alone.
    """
    if not method.concurrent:
        torch.set_num_threads(own)
        return _ON_A_GPU if method.device.type == "cuda" else 1
    several = tiles >= _SEVERAL
    torch.set_num_threads(1 if several else machine)
    return own if several else 1
