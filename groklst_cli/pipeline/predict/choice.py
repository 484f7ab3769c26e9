"""Which method runs, and why."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.names import is_text
from groklst_models.errors import MissingPackageError, ModelsError
from groklst_models.fusion_file import holds_fusion
from groklst_models.header import Header, fingerprint, read_header
from groklst_models.registry import REGISTRY, Entry, find

FITTED_TILE: Final = 512
FUSION: Final = "fusion"


@dataclass(frozen=True)
class Choice:
    """Which method runs, and why.

    Attributes:
        name: Its key in the registry.
        reason: The reason, as a clause.
        checkpoint: The weights' file, or None for a fitted method.
        header: The header of that file.
        weights: The user's own file of a fitted method's weights; None for those that come with it.
    """

    name: str
    reason: str
    checkpoint: Path | None = None
    header: Header | None = None
    weights: Path | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it is fitted to the scene instead of loaded."""
        return self.checkpoint is None

    @property
    def tile(self) -> int:
        """Side of a tile, fine pixels."""
        return self.header.tile if self.header else FITTED_TILE

    @property
    def uses_guide(self) -> bool:
        """Whether guidance is worth reading for it."""
        if self.header is not None:
            return bool(self.header.normalization.bands)
        return find(self.name).guidance != "ignored"

    @property
    def library(self) -> str:
        """Import name of the library that computes it; empty for PyTorch."""
        return "" if self.header is not None else str(find(self.name).load().library)

    @property
    def conserves(self) -> bool:
        """Whether it conserves coarse means by default."""
        return self.header.conserve if self.header else True

    @property
    def tag(self) -> str:
        """The method's name, with the weights' hash where there are weights."""
        file = self.checkpoint or self.weights
        return self.name if file is None else f"{self.name} sha256:{fingerprint(file)}"


def choose(model: str, bands: tuple[str, ...], scale: int) -> Choice:
    """Find the method for ``--model``.

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
            return Choice("best", "guides are given and no checkpoint is named")
        return Choice("bicubic", "neither guides nor a checkpoint are given")
    if header is None:
        name, weights = (model, None) if model in REGISTRY else (FUSION, Path(model))
        if find(name).guidance == "needed" and not bands:
            raise UsageError(f"{model} needs guides; add --guide FILE, or use --model bicubic")
        return Choice(name, "asked for", weights=weights)
    if header.scale != scale:
        raise UsageError(
            f"{model} was trained for scale {header.scale}, not {scale}; "
            f"add --scale {header.scale}, or use another checkpoint"
        )
    return Choice(header.network, "asked for", Path(model), header)


def check_model(model: str) -> None:
    """Refuse values of ``--model`` that are never valid, without opening files.

    Raises:
        UsageError: If it is neither a method nor a file, or needs weights that are not given or a
            package that is not there.
        InputError: If the file's name is not valid text.
    """
    if model in REGISTRY:
        _check_method(find(model))
    elif model != "auto" and not os.path.isfile(model):
        raise UsageError(
            f"--model {model or repr(model)} is neither a method ({', '.join(REGISTRY)}) nor a "
            f"checkpoint file; {_nearest(model)}"
        )
    elif not is_text(model):
        raise InputError(f"{model} has a name that is not valid UTF-8; rename the file")


def header_of(model: str) -> Header | None:
    """Read the header of a checkpoint; None if ``--model`` does not name one.

    A file of weights for ``fusion`` is not a checkpoint: the method is fitted, at any scale.

    Raises:
        InputError: If the checkpoint cannot be read.
        UsageError: If ``check_model`` refuses it.
    """
    check_model(model)
    if model == "auto" or model in REGISTRY or holds_fusion(Path(model)):
        return None
    try:
        return read_header(Path(model))
    except ModelsError as error:
        raise InputError(str(error)) from error


def _check_method(entry: Entry) -> None:
    """Refuse a method that needs weights, or that cannot run in this environment."""
    if entry.needs_weights:
        raise UsageError(
            f"{entry.name} needs weights; name a checkpoint file, "
            f"as in --model {entry.name}.safetensors"
        )
    try:
        entry.check_package()
    except MissingPackageError as error:
        raise UsageError(str(error)) from error


def _nearest(model: str) -> str:
    """Suggest what may have been meant."""
    near = get_close_matches(model.lower(), REGISTRY, n=1)
    return f"did you mean {near[0]}?" if near else "groklst models lists them"
