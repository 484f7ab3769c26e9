"""A training of ``fusion`` from a recipe and scene folders to a file of weights."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from groklst_cli import __version__
from groklst_cli.data.scenes import SceneFolder
from groklst_cli.data.truth import sha256
from groklst_cli.errors import UsageError
from groklst_cli.geo.targets import check_target
from groklst_cli.pipeline.train_fusion.first_networks import FirstNetworks
from groklst_cli.pipeline.train_fusion.fit import cases_of, train, training_scenes
from groklst_cli.pipeline.train_fusion.options import FusionOptions
from groklst_models.regression.fusion_weights import save
from groklst_models.threads import one_thread

NAME: Final = "fusion.safetensors"
"""Of the file in a run's folder."""


@dataclass(frozen=True)
class TrainedFusion:
    """What a training came to.

    Attributes:
        checkpoint: The file of weights.
        cases: Training cases.
        seconds: Processor time.
    """

    checkpoint: Path
    cases: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "checkpoint": str(self.checkpoint),
            "cases": self.cases,
            "seconds": round(self.seconds, 1),
        }


def train_fusion(
    options: FusionOptions,
    data: Path,
    out: Path,
    *,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> TrainedFusion:
    """Train on one thread, so that the same machine gives the same bits.

    Args:
        options: The recipe.
        data: A folder of scene folders.
        out: The run's folder, made where it is missing.
        overwrite: Whether weights in it may be replaced.
        note: Told, for people, how far it is.

    Raises:
        GroklstError: If it cannot be carried out.
    """
    made = out / NAME
    if not out.parent.is_dir():
        raise UsageError(f"--out {out} cannot be created; name a new folder inside an existing one")
    out.mkdir(exist_ok=True)
    check_target(made, overwrite=overwrite)
    first = FirstNetworks.find(options) if options.init else None
    began = time.process_time()
    with one_thread():
        scenes = training_scenes(data, options)
        cases = list(cases_of(scenes, options, note))
        if not cases:
            raise UsageError(
                f"--data {data} contains no scene that can be used for training; name a "
                "folder of scenes with --data"
            )
        networks = [
            train(cases, options, seed, note, None if first is None else first.of(place))
            for place, seed in enumerate(options.seeds)
        ]
    part = out / f".{NAME}.part"
    try:
        save(networks, facts_of(options, scenes, len(cases), first), part)
        part.replace(made)
    finally:
        part.unlink(missing_ok=True)
    return TrainedFusion(made, len(cases), time.process_time() - began)


def facts_of(
    options: FusionOptions,
    scenes: Sequence[SceneFolder],
    cases: int,
    first: FirstNetworks | None = None,
) -> dict[str, Any]:
    """Say what weights were trained on, as plain data.

    Args:
        options: The recipe.
        scenes: All that cases were made of.
        cases: How many.
        first: The weights that it started from; None for chance.
    """
    told = {key: value for key, value in options.to_json().items() if key != "init"}
    facts = {
        "version": __version__,
        "torch": str(torch.__version__),
        "options": told,
        "cases": cases,
        "scenes": {
            folder.name: {path.name: sha256(path) for path in sorted(folder.path.glob("*.tif"))}
            for folder in scenes
        },
        "licence": options.licence,
        **({"begun_from": first.to_json()} if first is not None else {}),
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain
