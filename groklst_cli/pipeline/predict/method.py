"""Bringing a method to a scene: fitted to it, or loaded with its weights; and threads shared."""

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

_ON_A_GPU: Final = 2  # batches under way: one is stacked and copied while the other is computed
_SEVERAL: Final = 4  # tiles from which on each is computed on one thread


def fit_or_load(
    choice: Choice,
    scene: Scene,
    settings: Settings,
    *,
    device: str | None = None,
    note: Note = silent,
) -> Method:
    """Build a method and make it ready for a scene.

    Args:
        choice: What to build.
        scene: What it will be run on.
        settings: The point spread for fitted methods, the precision for networks, the device.
        device: The one to take where the settings name several; their first if None. It has to
            be there, also for a method that does not use it.
        note: Told what is worth saying.

    Raises:
        DeviceError: If the device is not there.
        InputError: If the scene or the checkpoint does not hold what the method needs.
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
    """Say where a fitted method computes: where it is asked to if it can, else on the CPU.

    ``auto`` is the CPU, so that a default run has the same bits with a GPU in the machine.

    Args:
        method: Its key.
        name: The device that is asked for.
        note: Told why another was taken.

    Raises:
        DeviceError: If it is not there.
    """
    found = find_device(name)
    if name == "auto" or found.type == "cpu":
        return CPU
    if not find(method).any_device:
        note(f"{method} grows its trees on the CPU; {name} is not used")
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
    """Take a method off its GPU, which other processes will need to themselves."""
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
    """Say that a seed, or a number of draws, was asked for and changes nothing."""
    if seed and settings.seed:
        note(f"seed {settings.seed} has no effect here: {choice.name} uses no random numbers")
    if samples and settings.samples > 1:
        note(f"samples {settings.samples} has no effect here: {choice.name} gives one answer")


def stated(psf: PointSpread) -> float | None:
    """Return the point spread that was stated, fine pixels; None where it is to be found."""
    if psf == "auto":
        return None
    return 0.0 if psf == "none" else float(psf)


def _naming(checkpoint: Path | None, error: ModelsError) -> str:
    """Say which file a complaint is about, where it does not."""
    text = str(error)
    return text if checkpoint is None or str(checkpoint) in text else f"{checkpoint}: {text}"


def share_processor(method: Method, tiles: int, *, own: int, machine: int) -> int:
    """Divide threads among tiles; return how many batches this process predicts at once.

    A network on the CPU computes each tile on one thread, several tiles at once, wherever the scene
    has several: so its bits do not depend on how many threads a process has (a transposed
    convolution's do), and no thread waits for another.

    Args:
        method: What will predict.
        tiles: Of the whole scene, so that all processes that share it decide alike.
        own: Threads that are this process's.
        machine: Threads that a process would have alone.
    """
    if not method.concurrent:
        torch.set_num_threads(own)
        return _ON_A_GPU if method.device.type == "cuda" else 1
    several = tiles >= _SEVERAL
    torch.set_num_threads(1 if several else machine)
    return own if several else 1
