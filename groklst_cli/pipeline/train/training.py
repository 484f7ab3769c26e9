"""A training in memory: how it begins, what changes step by step, and the checkpoint it makes."""

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from groklst_cli import __version__
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.metrics import MeanScores
from groklst_cli.pipeline.predict.devices import keep_order_in_training
from groklst_cli.pipeline.train.data import measure
from groklst_cli.pipeline.train.first_weights import FirstWeights
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.paper_recipes import PAPER, paper_recipes
from groklst_cli.pipeline.train.sets import TrainData
from groklst_models.checkpoint import Checkpoint, Header, load
from groklst_models.contract import SamplingNetwork
from groklst_models.errors import ModelsError
from groklst_models.normalization import Normalization

_SCORES: Final = ("rmse", "mae", "bias", "cc", "rsd")
_PLACES: Final = ("data", "out", "init")
"""Options that name files of the machine, which no checkpoint tells of."""


@dataclass
class Training:
    """A training in memory; ``state`` is all of it that changes.

    Attributes:
        options: Of the run.
        data: Its sets.
        normalization: Of the training set.
        fabric: Device, precision and processes.
        network: Wrapped by Fabric.
        averaged: The weights' running mean, or the bare network itself without one.
        optimizer: AdamW.
        step: Steps done.
        scores: Of the last validation.
        best: The least validation RMSE, kelvin.
        begun_from: The file that the first weights came from, and its hash; empty without one.
    """

    options: TrainOptions
    data: TrainData
    normalization: Normalization
    fabric: Fabric
    network: Any
    averaged: nn.Module
    optimizer: Any
    step: int = 0
    scores: dict[str, Any] = field(default_factory=dict)
    best: float = math.inf
    begun_from: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the run's files stand."""
        return Path(self.options.out)

    @property
    def speaks(self) -> bool:
        """Whether this is the first of the processes, which writes and speaks for all."""
        return self.fabric.is_global_zero

    @property
    def bare(self) -> nn.Module:
        """The network without Fabric's wrappers."""
        inner: nn.Module = self.network.module
        return inner.module if isinstance(inner, DistributedDataParallel) else inner

    def state(self) -> dict[str, Any]:
        """Collect everything that changes."""
        return {
            "step": self.step,
            "options": self.options.to_json(),
            "normalization": self.normalization.to_json(),
            "network": self.bare.state_dict(),
            "averaged": self.averaged.state_dict() if self.options.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "scores": self.scores,
            "best": self.best,
            "begun_from": dict(self.begun_from),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Put a state back."""
        self.step, self.scores, self.best = state["step"], state["scores"], state["best"]
        self.begun_from = state.get("begun_from", {})
        self.bare.load_state_dict(state["network"])
        if self.options.ema:
            self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])

    def average(self) -> None:
        """Move the running mean of the weights; young means follow faster."""
        decay = min(self.options.ema, self.step / (self.step + 10))
        with torch.no_grad():
            means, weights = (tuple(own.parameters()) for own in (self.averaged, self.bare))
            torch._foreach_lerp_(means, weights, 1 - decay)  # in one go, not a wait each on a GPU
            if kept := list(self.averaged.buffers()):
                torch._foreach_copy_(kept, list(self.bare.buffers()))

    def take_scores(self, summary: MeanScores) -> bool:
        """Take the scores of a validation, and tell whether they are the best so far."""
        means = {name: summary.mean[name] for name in _SCORES}
        told = {name: value for name, value in means.items() if math.isfinite(value)}
        self.scores = {**told, "rmse_pooled": summary.rmse_pooled, "images": summary.images}
        self.scores |= {"split": self.options.val_split, "step": self.step}
        better = means["rmse"] < self.best
        self.best = min(self.best, means["rmse"])
        return better

    def mean_scores(self) -> dict[str, float]:
        """Return the last validation's means over images, those that are numbers."""
        return {name: self.scores[name] for name in _SCORES if name in self.scores}

    def checkpoint(self) -> Checkpoint:
        """Put the weights, or their running mean, together with all that is needed to use them."""
        options = self.options
        told = {key: v for key, v in options.to_json().items() if key not in _PLACES}
        header = Header(
            network=options.network,
            scale=options.scale,
            normalization=self.normalization,
            arguments=options.arguments,
            tile=self.data.crop * options.scale,
            conserve=options.conserve,
            training={
                "version": __version__,
                "torch": str(torch.__version__),
                "steps": self.step,
                "options": told,
                "data": dict(self.data.train.describe()),
                **({"begun_from": dict(self.begun_from)} if self.begun_from else {}),
            },
            scores=self.scores,
            licence=options.licence,
        )
        return Checkpoint(header, self.averaged.state_dict())

    def describe(self) -> Iterator[str]:
        """Say, for people, what is trained, on what and where."""
        options, data = self.options, self.data
        weights = sum(weight.numel() for weight in self.bare.parameters())
        yield f"network {options.network}: {weights} weights, recipe {options.recipe}"
        if self.begun_from:
            file, made = self.begun_from["file"], self.begun_from["sha256"]
            yield f"its first weights, bands and standardization are those of {file} ({made[:12]})"
        if options.recipe == PAPER and (beyond := paper_recipes()[options.network].beyond):
            yield f"the paper's recipe is not followed in everything: {beyond}"
        yield (
            f"data {len(data.train)} patches to train on, {len(data.val)} to validate on; "
            f"bands {', '.join(data.bands) or 'none'}; crops {data.crop * options.scale}"
        )
        if self.step:
            yield f"resumed at step {self.step} of {options.steps}"
        if len(data.val) == 0:
            yield "there are no validation patches, so the last checkpoint is the result"
        processes = self.fabric.world_size
        yield f"device {self.fabric.device}, {processes} process(es), {options.precision}"


def begin(
    options: TrainOptions, data: TrainData, fabric: Fabric, state: dict[str, Any] | None
) -> Training:
    """Build the network and the optimizer, and put first weights or a state in if there are any.

    Raises:
        UsageError: If the network cannot be built from the options, or first weights do not fit.
        InputError: If the data have no statistics, or the first weights cannot be read.
    """
    if options.deterministic:
        keep_order_in_training(fabric.device)
    first = FirstWeights.find(options.init) if options.init and state is None else None
    if first is not None:
        first.check(options)
    normalization = _normalization(options, data, fabric, state, first)
    torch.manual_seed(options.seed)
    header = Header(options.network, options.scale, normalization, arguments=options.arguments)
    try:
        network = header.build_network()
    except ModelsError as error:
        raise UsageError(f"{error}; see --set arguments.NAME=…") from error
    if first is not None:
        _take(first, network)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=options.learning_rate,
        betas=(0.9, options.beta2),
        weight_decay=options.weight_decay,
    )
    averaged = deepcopy(network).to(fabric.device) if options.ema else network
    wrapped, wrapped_optimizer = fabric.setup(network, optimizer)
    if isinstance(network, SamplingNetwork):
        wrapped.mark_forward_method("guess")
    training = Training(options, data, normalization, fabric, wrapped, averaged, wrapped_optimizer)
    if state is not None:
        training.restore(state)
    elif first is not None:
        training.begun_from = first.to_json()
    return training


def _take(first: FirstWeights, network: nn.Module) -> None:
    """Give a network the weights that it starts from, which its header told to fit."""
    try:
        checkpoint = load(first.path)
    except ModelsError as error:
        raise InputError(str(error)) from error
    try:
        checkpoint.check_shapes()
    except ModelsError as error:
        raise InputError(f"{first.path}: {error}") from error
    network.load_state_dict(dict(checkpoint.weights))


def _normalization(
    options: TrainOptions,
    data: TrainData,
    fabric: Fabric,
    state: dict[str, Any] | None,
    first: FirstWeights | None,
) -> Normalization:
    """Take the saved one or that of the first weights, or let one process measure for all."""
    if first is not None:
        return first.header.normalization
    facts = state["normalization"] if state is not None else None
    if facts is None and fabric.is_global_zero:
        facts = measure(data, options).to_json()
    shared: Any = fabric.broadcast(cast("dict[str, Any]", facts))
    return Normalization.from_json(shared)
