"""What can be chosen about a training run; the defaults are the published recipe."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from groklst_cli.errors import UsageError
from groklst_models.errors import UnknownMethodError
from groklst_models.normalization import LstCenter
from groklst_models.precisions import Precision
from groklst_models.registry import REGISTRY, find

Loss = Literal["auto", "l1", "huber", "mse"]
Schedule = Literal["restarts", "cosine", "steps"]


@dataclass(frozen=True)
class TrainOptions:
    """A training run; the defaults are the published recipe (arXiv 2409.19835).

    Attributes:
        recipe: Which recipe the values started from.
        data: Folder of the training set: prepared, or the GrokLST dataset.
        out: Folder of the run.
        network: Key of a network in the registry.
        arguments: Keywords of its constructor.
        init: Checkpoint whose weights, bands and standardization it starts from; empty for chance.
        scale: Fine pixels along a coarse pixel.
        bands: Guidance bands and indices that it gets, in order; empty for all of the data.
        train_split: Set to train on.
        val_split: Set to validate on.
        crop: Side of a crop, fine pixels; 0 for whole patches.
        augment: Whether crops are flipped and turned.
        band_dropout: Chance of each band to be left out; above 0 the network is told which
            bands are there, and the checkpoint serves scenes that lack some.
        gain_jitter: Spread of a random factor on each band, as a share.
        lst_center: Whose mean and spread standardise the LST.
        trend: Whether the network refines each tile's own linear regression on the bands.
        conserve: Whether coarse means are restored, before the loss and by ``downscale``.
        batch: Samples a step in each process.
        steps: How many steps.
        loss: ``l1`` of kelvin, ``huber`` or ``mse`` of the LST's spreads; ``auto``: the
            network's own, ``mse`` where its answers have chance in them, else ``l1``.
        learning_rate: The highest.
        weight_decay: Of AdamW.
        beta2: Of AdamW: how slowly the mean of the squared gradients moves.
        schedule: ``restarts``: cosine down every ``period`` steps; ``cosine``: down once;
            ``steps``: times ``decay`` at each of the ``milestones``.
        period: Steps between restarts.
        milestones: Steps from which on the learning rate is lower.
        decay: What it is then multiplied by.
        floor: The lowest learning rate.
        warmup: Steps of linear rise.
        clip: Largest norm of the gradient; 0 for any.
        ema: Decay of the weights' running mean, which is then what is validated and saved; 0 for
            none.
        precision: Of the arithmetic.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        workers: Processes that read data; 0 reads in the training process.
        cached: Patches that each of them keeps in memory.
        seed: Of everything random.
        deterministic: Whether to use deterministic algorithms only, where there are any.
        log_every: Steps between rows of the log.
        validate_every: Steps between validations.
        save_every: Steps between saved states, beside those at validations.
        picture_every: Steps between pictures, at validations; 0 for none.
        tensorboard: Whether to write TensorBoard's files too.
        licence: Of the weights: an SPDX expression or a sentence.
    """

    recipe: str = "published"
    data: str = ""
    out: str = "run"
    network: str = "mocolsk"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    init: str = ""
    scale: int = 8
    bands: tuple[str, ...] = ()
    train_split: str = "train"
    val_split: str = "val"
    crop: int = 0
    augment: bool = False
    band_dropout: float = 0.0
    gain_jitter: float = 0.0
    lst_center: LstCenter = "dataset"
    trend: bool = False
    conserve: bool = False
    batch: int = 4
    steps: int = 10_000
    loss: Loss = "auto"
    learning_rate: float = 1e-4
    weight_decay: float = 1e-5
    beta2: float = 0.999
    schedule: Schedule = "restarts"
    period: int = 2_500
    milestones: tuple[int, ...] = ()
    decay: float = 0.5
    floor: float = 1e-7
    warmup: int = 0
    clip: float = 0.0
    ema: float = 0.0
    precision: Precision = "fp32"
    device: str = "auto"
    workers: int = 2
    cached: int = 256
    seed: int = 0
    deterministic: bool = False
    log_every: int = 20
    validate_every: int = 500
    save_every: int = 500
    picture_every: int = 2_500
    tensorboard: bool = False
    licence: str = "not stated"

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            UsageError: If there is one.
        """
        for name in ("learning_rate", "clip", "floor"):
            self._demand(name, math.isfinite(getattr(self, name)), "finite")
        for name in ("batch", "steps", "period", "log_every", "validate_every", "save_every"):
            self._demand(name, getattr(self, name) >= 1, "at least 1")
        for name in ("crop", "warmup", "workers", "cached", "picture_every", "clip", "floor"):
            self._demand(name, getattr(self, name) >= 0, "at least 0")
        for name in ("weight_decay", "gain_jitter", "band_dropout", "ema", "beta2"):
            self._demand(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        self._demand("seed", self.seed >= 0, "at least 0")
        self._demand("scale", 2 <= self.scale <= 64, "2 … 64")
        self._demand("learning_rate", self.learning_rate > 0, "positive")
        self._demand("decay", 0 < self.decay < 1, "above 0 and below 1")
        rising = list(self.milestones) == sorted({max(1, step) for step in self.milestones})
        self._demand("milestones", rising, "steps from 1 on, in rising order")
        stepped = bool(self.milestones) or self.schedule != "steps"
        self._demand("milestones", stepped, "one or more steps for the schedule steps")
        self._demand("crop", self.crop % self.scale == 0, f"a multiple of the scale {self.scale}")
        try:
            weighty = find(self.network).needs_weights
        except UnknownMethodError:
            weighty = False
        names = [name for name, entry in REGISTRY.items() if entry.needs_weights]
        self._demand("network", weighty, f"one of {', '.join(names)}")

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        facts = {**asdict(self), "arguments": dict(self.arguments)}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in facts.items()}

    def to_toml(self) -> str:
        """Describe as a TOML file that says all there is to say."""
        facts = self.to_json()
        arguments = facts.pop("arguments")
        lines = [f"{key} = {_toml(value)}" for key, value in facts.items()]
        lines += ["", "[arguments]", *(f"{key} = {_toml(v)}" for key, v in arguments.items())]
        return "\n".join(lines) + "\n"

    def changed(self, before: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Name what differs from another run and would change the weights.

        Args:
            before: Options of that run as plain data; one that is not there had its default.

        Returns:
            By option, the value before and now; None where there is no such option now.
        """
        now = self.to_json()
        then = {**TrainOptions().to_json(), **before}
        pairs = {key: (then[key], now.get(key)) for key in then if key not in _FREE}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    def _demand(self, name: str, holds: bool, what: str) -> None:
        if not holds:
            raise UsageError(f"{flag(name)} is {getattr(self, name)!r}, expected {what}")


_FREE: Final = frozenset(
    ("data", "out", "device", "workers", "cached", "log_every", "validate_every", "save_every")
) | {"picture_every", "tensorboard", "licence"}
"""Options that do not change the weights."""
_FLAGS: Final[Mapping[str, str]] = {
    "data": "--data",
    "out": "--out",
    "network": "--model",
    "init": "--init",
    "scale": "--scale",
    "band_dropout": "--band-dropout",
}


def flag(name: str) -> str:
    """Say how an option is typed."""
    return _FLAGS.get(name, f"--set {name}=…")


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # for these types the two languages agree
