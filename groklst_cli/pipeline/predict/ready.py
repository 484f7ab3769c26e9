"""Choosing a method, bringing it to a device, fitting it to the scene."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

import torch

from groklst_cli.errors import (
    DeviceError,
    GroklstError,
    InputError,
    UsageError,
    lacks_memory,
    out_of_memory,
)
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.view import FileView
from groklst_models.acceleration import accelerate
from groklst_models.checkpoint import Header, fingerprint, load, read_header
from groklst_models.contract import FittedMethod, Method
from groklst_models.errors import ModelsError
from groklst_models.fading import Fading
from groklst_models.network_method import NetworkMethod, Precision
from groklst_models.registry import REGISTRY, build, find
from groklst_models.turns import SCORE

PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]

FITTED_TILE: Final = 512
_CPU: Final = torch.device("cpu")
_ON_A_GPU: Final = 2  # batches under way: one is stacked and copied while the other is computed
_SEVERAL: Final = 4  # tiles from which on each is computed on one thread
NETWORK_OVERLAP: Final = 64
"""Fine pixels; leaves 0.021 K at tile lines, where 16 leave 0.046 K and 128 leave 0.020 K."""


@dataclass(frozen=True)
class Choice:
    """Which method runs, and why.

    Attributes:
        name: Its key in the registry.
        reason: A clause for people.
        checkpoint: The weights' file, or None for a fitted method.
        header: What that file says.
    """

    name: str
    reason: str
    checkpoint: Path | None = None
    header: Header | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it is fitted to the scene instead of loaded."""
        return self.checkpoint is None

    @property
    def tile(self) -> int:
        """Side of a tile, fine pixels."""
        return self.header.tile if self.header else FITTED_TILE

    @property
    def conserves(self) -> bool:
        """Whether its coarse means are restored unless the user says otherwise."""
        return self.header.conserve if self.header else True

    @property
    def spread_factor(self) -> float | None:
        """What the spread over flips and turns is to be multiplied by, where it was measured."""
        found = self.header.scores.get(SCORE) if self.header else None
        return float(found) if isinstance(found, int | float) else None

    @property
    def tag(self) -> str:
        """The method's name, with the weights' hash where there are weights."""
        if self.checkpoint is None:
            return self.name
        return f"{self.name} sha256:{fingerprint(self.checkpoint)}"


def choose(model: str, bands: tuple[str, ...], scale: int) -> Choice:
    """Find the method that ``--model`` asks for.

    Args:
        model: ``auto``, a key of the registry, or a checkpoint's path.
        bands: Names of the scene's guidance bands.
        scale: What the scene is to be refined by.

    Raises:
        UsageError: If it is neither a method nor a file, needs weights or guides that are not
            given, or was trained for another scale.
    """
    header = header_of(model)
    if model == "auto":
        if bands:
            return Choice("best", "there is guidance and no checkpoint was named")
        return Choice("bicubic", "there is neither guidance nor a checkpoint")
    if header is None:
        if find(model).load().needs_guide and not bands:
            raise UsageError(f"{model} needs guidance; add --guide FILE, or use --model bicubic")
        return Choice(model, "asked for")
    if header.scale != scale:
        raise UsageError(
            f"{model} was trained for scale {header.scale}, not {scale}; "
            f"add --scale {header.scale}, or use another checkpoint"
        )
    return Choice(header.network, "asked for", Path(model), header)


def check_model(model: str) -> None:
    """Refuse what can be no ``--model`` whatever the scene holds; no file is opened.

    Raises:
        UsageError: If it is neither a method nor a file, or needs weights that are not given.
    """
    if model in REGISTRY and find(model).needs_weights:
        raise UsageError(
            f"{model} needs weights; name a checkpoint file, as in --model {model}.safetensors"
        )
    if model != "auto" and model not in REGISTRY and not os.path.isfile(model):
        raise UsageError(
            f"--model {model or repr(model)} is neither a method ({', '.join(REGISTRY)}) nor a "
            f"checkpoint file; {_nearest(model)}"
        )


def header_of(model: str) -> Header | None:
    """Read what a checkpoint says of itself; None where ``--model`` names no file.

    Raises:
        InputError: If the checkpoint cannot be read.
        UsageError: If ``check_model`` refuses it.
    """
    check_model(model)
    if model == "auto" or model in REGISTRY:
        return None
    try:
        return read_header(Path(model))
    except ModelsError as error:
        raise InputError(str(error)) from error


def _nearest(model: str) -> str:
    """Suggest what may have been meant."""
    near = get_close_matches(model.lower(), REGISTRY, n=1)
    return f"did you mean {near[0]}?" if near else "groklst models lists them"


def prepare(
    choice: Choice,
    scene: Scene,
    *,
    psf: Literal["auto", "none"] | float = "auto",
    device: str = "auto",
    precision: PrecisionChoice = "auto",
    note: Callable[[str], None] = lambda text: None,
) -> Method:
    """Build the method and make it ready: fitted to the scene, or loaded with its weights.

    Args:
        choice: What to build.
        scene: What it will be run on.
        psf: Point spread of the fine product for fitted methods, fine pixels.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; it has to be there, though
            fitted methods compute on the CPU.
        precision: Of a network's arithmetic.
        note: Told what is worth saying.

    Raises:
        DeviceError: If the device is not there.
        InputError: If the scene or the checkpoint does not hold what the method needs.
    """
    try:
        chosen = find_device(device)
        if choice.checkpoint is None:
            if device != "auto" and chosen.type != "cpu":
                note(f"{choice.name} computes on the CPU: device {device} is for networks")
            fitted: FittedMethod = build(choice.name, scale=scene.scale)
            fitted.fit(FileView(scene, psf=_stated(psf)))
            for line in _describe(fitted, stated=psf != "auto"):
                note(line)
            if fitted.uses_guide and scene.covered_in_part:
                return Fading(fitted)
            return fitted
        checkpoint = load(choice.checkpoint)
        keep_fp32(chosen)
        keep_order(chosen)
        network = checkpoint.load_network().to(chosen)
        return NetworkMethod(
            accelerate(network, chosen),
            checkpoint.header.normalization,
            scale=checkpoint.header.scale,
            bands=scene.bands,
            device=chosen,
            precision=_find_precision(precision, chosen),
        )
    except ModelsError as error:
        raise InputError(_naming(choice.checkpoint, error)) from error


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
    if not getattr(method, "concurrent", False):
        torch.set_num_threads(own)
        return _ON_A_GPU if getattr(method, "device", _CPU).type == "cuda" else 1
    several = tiles >= _SEVERAL
    torch.set_num_threads(1 if several else machine)
    return own if several else 1


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn complaints of too little memory, whosever they are, into ours.

    Raises:
        DeviceError: If memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError, GroklstError) as error:  # ours may repeat what GDAL said
        if isinstance(error, DeviceError) or not lacks_memory(error):
            raise
        raise out_of_memory(error) from error


def reads_guide(method: Method) -> bool:
    """Tell whether a method looks at guidance, so that files need not be read for nothing."""
    return bool(getattr(method, "uses_guide", False))


def _stated(psf: Literal["auto", "none"] | float) -> float | None:
    if psf == "auto":
        return None
    return 0.0 if psf == "none" else float(psf)


def _describe(fitted: FittedMethod, *, stated: bool) -> list[str]:
    """Say what a fitted method found out, as far as it tells."""
    lines = []
    if (sensor := getattr(fitted, "sensor", None)) is not None:
        source = "as stated" if stated else "estimated from the scene"
        lines.append(f"point spread {sensor.sigma:.2f} fine pixels, {source}")
    if summary := getattr(fitted, "summary", ""):
        lines.append(str(summary))
    return lines


def find_device(name: str) -> torch.device:
    """Turn ``--device`` into a device that is there.

    Raises:
        DeviceError: If it is unknown or not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name} is none of auto, cpu, cuda, cuda:N, mps") from error
    if not _is_there(device):
        raise DeviceError(f"device {name} is not available here; use --device cpu or auto")
    return device


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def keep_fp32(device: torch.device) -> None:
    """Have fp32 keep all its bits on a GPU, where torch rounds convolutions to TF32's ten."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def keep_order(device: torch.device) -> None:
    """Have a GPU add up in one order, so that the same request gives the same bits.

    Left free, cuDNN takes transposed convolutions that add up in the order in which threads come.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True


def _find_precision(asked: PrecisionChoice, device: torch.device) -> Precision:
    if asked != "auto":
        return asked
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bf16" if fast else "fp32"
