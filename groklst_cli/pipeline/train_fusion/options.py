"""What can be chosen about a training of ``fusion``: a TOML file holds it."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from groklst_cli.errors import InputError, UsageError
from groklst_models.fusion_file import holds_fusion

FUSION: Final = "fusion"
"""Key of the method, which a recipe names as its network."""


def is_fusion(config: Path | None, network: str | None, init: str | None = None) -> bool:
    """Tell whether a training that is asked for is one of ``fusion``; a broken file asks for none.

    Args:
        config: The file of options, if any.
        network: What ``--model`` names, if anything; it counts more than the file.
        init: What ``--init`` names, if anything: weights count where no network is named.
    """
    given: dict[str, Any] = {}
    if network is None and config is not None:
        with suppress(InputError):
            given = _given(config)
    named = network if network is not None else given.get("network")
    if named is not None:
        return named == FUSION
    first = init if init is not None else given.get("init")
    return first == FUSION or (isinstance(first, str) and first != "" and holds_fusion(Path(first)))


def _given(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _check_type(path: Path, key: str, value: Any, usual: Any) -> None:
    """Refuse a value of another type than the usual one; whole numbers serve as numbers."""
    kinds = (float, int) if isinstance(usual, float) else (type(usual),)
    if isinstance(usual, Mapping):
        kinds = (dict,)
    if not isinstance(value, kinds) or isinstance(value, bool):
        names = {"str": "a text", "tuple": "a list", "dict": "a table", "int": "a whole number"}
        raise UsageError(
            f"{path}: {key} is {value!r}, it must be {names.get(kinds[0].__name__, 'a number')}"
        )


@dataclass(frozen=True)
class FusionOptions:
    """A training of ``fusion``.

    Attributes:
        network: ``fusion``.
        init: Weights that it starts from: ``fusion`` for those of the package, or a file; the
            seeds' networks start from theirs in turn. Empty for chance.
        seeds: Of the networks; their answers are averaged.
        case_seed: Of the cases' variety.
        without: Scenes that are left out.
        lowest: Kelvin below which an LST counts as missing, by scene.
        left_out: Polygons of rows and columns that are left out, by scene.
        aggregations: By which scenes are made coarser first.
        scales: Shares of the steps, by scale.
        piece: Side of a piece of a scene at most, pixels.
        least_side: Of a piece that is used.
        steps: Of the optimizer.
        batch: Samples a step.
        crop: Side of a sample, fine pixels; a multiple of every scale and of four.
        learning_rate: The highest.
        weight_decay: Of AdamW.
        beta2: Of AdamW.
        warmup: Steps of linear rise.
        flat: Share of the steps until the cosine begins.
        clip: Largest norm of the gradient.
        ema: Decay of the weights' running mean.
        power: Of a scene's pixels, to which its chance to be drawn is proportional.
        width: The network's channels.
        blocks: Its pairs of convolutions.
        licence: Of the weights.
    """

    network: str = FUSION
    init: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    case_seed: int = 0
    without: tuple[str, ...] = ()
    lowest: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, Any] = field(default_factory=dict)
    aggregations: tuple[float, ...] = (1.0, 1.5, 2.0)
    scales: Mapping[str, float] = field(default_factory=lambda: {"4": 0.5, "8": 0.5})
    piece: int = 512
    least_side: int = 96
    steps: int = 4500
    batch: int = 8
    crop: int = 96
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.03
    beta2: float = 0.98
    warmup: int = 100
    flat: float = 0.3
    clip: float = 1.0
    ema: float = 0.995
    power: float = 0.45
    width: int = 32
    blocks: int = 3
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UsageError: If a value is impossible.
        """
        if self.network != FUSION:
            raise UsageError(f"network is {self.network!r}, expected {FUSION}")
        for scale in self.scales:
            if not scale.isdecimal() or not 2 <= int(scale) <= 16:
                raise UsageError(f"scales names {scale!r}, which is not a whole number in 2 … 16")
            if self.crop % int(scale) or self.crop % 4:
                raise UsageError(f"crop {self.crop} is not a multiple of four and of {scale}")
        for name in ("steps", "batch", "piece", "width", "blocks"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected at least 1")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file.

        Raises:
            InputError: If it cannot be read.
            UsageError: If it names an option that there is not.
        """
        given = _given(path)
        known = {one.name for one in fields(cls)}
        if strange := sorted(given.keys() - known):
            raise UsageError(f"{path} names {strange[0]}; the options are {', '.join(known)}")
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in given.items()
        }
        for key, value in values.items():
            _check_type(path, key, value, getattr(cls(), key))
        return cls(**values)

    @classmethod
    def to_tune(cls) -> Self:
        """Return what a training on a few scenes does that starts from weights."""
        return cls(
            scales={"2": 0.1, "3": 0.1, "4": 0.3, "6": 0.1, "8": 0.3, "16": 0.1},
            steps=300,
            learning_rate=5e-4,
            warmup=20,
            ema=0.98,
        )

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return asdict(self)
