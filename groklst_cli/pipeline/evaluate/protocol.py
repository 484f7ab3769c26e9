"""Protocols: how methods are evaluated on a folder of scenes, as small TOML files."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final

from groklst_cli.errors import InputError, UsageError

BASELINE: Final = "bicubic:raw"
"""The default baseline of protocols."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The fields of both kinds of protocol.

    Attributes:
        title: A title for reports.
        scale: Fine pixels along a coarse pixel.
        methods: The methods that run by default, written as for ``--model``.
        baseline: The method that ratios are taken to; always run.
        not_guides: Names of rasters in scene folders that are not guides.
        left_out: Scenes that are not run, and why.
    """

    kind: ClassVar[str]

    title: str
    scale: int
    methods: tuple[str, ...] = (BASELINE, "auto")
    baseline: str = BASELINE
    not_guides: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse values that are not valid.

        Raises:
            ValueError: If a value is not valid.
        """
        _require("scale", self.scale, int, low=2, high=64)
        for key in ("title", "baseline"):
            _require(key, getattr(self, key), str)
        for key in ("methods", "not_guides"):
            _require_all(key, getattr(self, key), tuple, str)
        _require_all("left_out", self.left_out, Mapping, str)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        facts = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in facts.items()}
        return {"kind": self.kind, **plain}


@dataclass(frozen=True, kw_only=True)
class WaldProtocol(Protocol):
    """Aggregate, reconstruct, compare (Wald, Ranchin & Mangolini, PE&RS 1997).

    Without point spread and noise, the coarse values are the exact means of the truth. With either,
    they imitate a real sensor, and methods are also scored on the exact means.

    Attributes:
        psf_sigma: Standard deviation of the imitated sensor's point spread, coarse pixels.
        noise_k: Standard deviation of its noise, kelvin.
        noise_of_detail: The noise as a share of the standard deviation of the detail in each
            scene's exact means; only one of the two can be set.
        seed: Seed of the noise.
        native: By scene, the factor that brings the LST's grid to its sensor's own resolution,
            where the truth is; ``default`` is used for scenes that are not named and do not state
            it in their ``scene.json``.
    """

    kind = "wald"

    psf_sigma: float = 0.0
    noise_k: float = 0.0
    noise_of_detail: float = 0.0
    seed: int = 0
    native: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse values that are not valid.

        Raises:
            ValueError: If a value is not valid.
        """
        super().__post_init__()
        _require("psf_sigma", self.psf_sigma, float, low=0, high=4)
        _require("noise_k", self.noise_k, float, low=0, high=100)
        _require("noise_of_detail", self.noise_of_detail, float, low=0, high=10)
        if self.noise_k and self.noise_of_detail:
            raise ValueError(
                "noise_k and noise_of_detail both set the noise; one of them must be 0"
            )
        _require("seed", self.seed, int, low=0, high=999_999)
        _require_all("native", self.native, Mapping, int, low=1, high=64)

    @property
    def is_exact(self) -> bool:
        """Whether the coarse values are the truth's plain means."""
        return not (self.psf_sigma or self.noise_k or self.noise_of_detail)

    def native_of(self, scene: str, stated: int | None = None) -> int:
        """Find the aggregation factor of a scene: by its name, from its facts, or by default."""
        return self.native.get(scene, stated or self.native.get("default", 1))


@dataclass(frozen=True, kw_only=True)
class CrossSensorProtocol(Protocol):
    """Downscale one sensor's LST and compare with another's, finer, of the same minute.

    Attributes:
        least_covered: Share of a pixel that valid reference must cover.
        least_correlation: Pairs with a lower correlation of the two sensors at the coarse scale are
            left out, because they say more about the sensors than about a method.
        remove_bias: Whether the mean difference to the reference is subtracted first.
        shift: Largest whole-scene shift that is also reported, fine pixels.
    """

    kind = "cross-sensor"

    least_covered: float = 0.9
    least_correlation: float = 0.8
    remove_bias: bool = False
    shift: int = 2

    def __post_init__(self) -> None:
        """Refuse values that are not valid.

        Raises:
            ValueError: If a value is not valid.
        """
        super().__post_init__()
        _require("least_covered", self.least_covered, float, low=0.01, high=1)
        _require("least_correlation", self.least_correlation, float, low=-1, high=1)
        _require("remove_bias", self.remove_bias, bool)
        _require("shift", self.shift, int, low=0, high=8)


_WORDS: Final[dict[type[Any], str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    Mapping: "a table",
}
_KINDS: Final = {kind.kind: kind for kind in (WaldProtocol, CrossSensorProtocol)}


_FACTS: Final = {"native": "aggregate_first_by", "left_out": "left_out"}
"""Fields of a protocol that differ by scene, and their keys in tables of scenes and
``scene.json``."""


def packaged(*below: str) -> dict[str, str]:
    """Return the texts of the files that come with groklst, by name.

    Args:
        below: Folders below that of the protocols: ``scenes`` holds the tables of scenes.
    """
    folder = files("groklst_cli").joinpath("protocols", *below)
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {
        entry.name.removesuffix(".toml"): entry.read_text("utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
    }


def find_protocol(text: str) -> WaldProtocol | CrossSensorProtocol:
    """Read a protocol by its name in the project, or from a file.

    Raises:
        UsageError: If it is neither.
        InputError: If the file has a key that is unknown or a value that is not valid.
    """
    if os.path.isfile(text):
        try:
            written = Path(text).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{text} cannot be read: {error}; expected a TOML file") from error
        return parse_protocol(written, text)
    known = packaged()
    if text not in known:
        raise UsageError(
            f"--protocol {text} is neither a file nor one of {', '.join(known)}; name one of them"
        )
    return parse_protocol(known[text], text)


def parse_protocol(text: str, name: str) -> WaldProtocol | CrossSensorProtocol:
    """Read a protocol from TOML.

    Raises:
        InputError: If it has a key that is unknown or a value that is not valid.
    """
    try:
        facts = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of too many digits, lists too deep
        raise InputError(f"{name} is not TOML: {error}; correct that line") from error
    kind = facts.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"{name}: kind is {kind!r}, not {' or '.join(_KINDS)}; write kind = …")
    known = fields(_KINDS[kind])
    names = [f.name for f in known]
    facts = _with_scenes(facts, names, name)
    unknown = [key for key in facts if key not in names]
    needed = [f.name for f in known if f.default is MISSING and f.default_factory is MISSING]
    missing = [key for key in needed if key not in facts]
    if unknown or missing:
        raise InputError(
            f"{name}: {' and '.join(unknown) or 'nothing'} is unknown, "
            f"{' and '.join(missing) or 'nothing'} is missing; "
            f"a {kind} protocol takes {', '.join(names)}, scenes"
        )
    try:
        return _KINDS[kind](**{key: _frozen(value) for key, value in facts.items()})
    except ValueError as error:
        raise InputError(f"{name}: {error}; correct that value") from error


def _with_scenes(facts: dict[str, Any], names: list[str], name: str) -> dict[str, Any]:
    """Add facts from the table of scenes that a protocol names; the protocol takes precedence.

    Args:
        facts: What the protocol states.
        names: What one of its kind can state.
        name: The protocol's.

    Raises:
        InputError: If there is no such table.
    """
    own = {key: value for key, value in facts.items() if key != "scenes"}
    if own == facts:
        return facts
    tables, named = packaged("scenes"), facts["scenes"]
    if not isinstance(named, str) or named not in tables:
        raise InputError(
            f"{name}: scenes is {named!r:.80}, not {' or '.join(tables)}; facts of other scenes "
            "belong in their scene.json"
        )
    table = tomllib.loads(tables[named])
    for key, word in _FACTS.items():
        told = {scene: known[word] for scene, known in table.items() if word in known}
        stated = own.get(key, {})
        if key in names and isinstance(stated, dict):
            own[key] = told | stated
    return own


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(value) if isinstance(value, dict) else value


def _require_all(
    key: str, values: Any, container: type[Any], kind: type[Any], low: float = 0, high: float = 0
) -> None:
    """Refuse a list or table of the wrong type, or with a value that is not valid."""
    if not isinstance(values, container):
        raise ValueError(f"{key} is {values!r}, expected {_WORDS[container]}")
    held = values.values() if isinstance(values, Mapping) else values
    for value in held:
        _require(key, value, kind, low, high)


def _require(key: str, value: Any, kind: type[Any], low: float = 0, high: float = 0) -> None:
    """Refuse a value of another type or, where ``high`` is above ``low``, outside that range."""
    kinds: tuple[type[Any], ...] = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{key} contains {value!r}, expected {_WORDS[kind]}")
    if low < high and not low <= value <= high:
        raise ValueError(f"{key} is {value}, expected a number from {low:g} to {high:g}")
