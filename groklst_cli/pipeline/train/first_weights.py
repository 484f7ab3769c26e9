"""Weights that a training starts from: what they settle, and whether a run's options fit them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.names import is_text
from groklst_cli.pipeline.train.options import TrainOptions, flag
from groklst_models.errors import ModelsError, UnknownMethodError
from groklst_models.fusion_file import holds_fusion
from groklst_models.header import Header, fingerprint, read_header
from groklst_models.registry import REGISTRY, find

_BAND_DROPOUT: Final = 0.1
"""Where weights serve scenes that lack bands, and their file does not say how that was learned."""


@dataclass(frozen=True)
class FirstWeights:
    """A checkpoint that a training starts from.

    Attributes:
        path: Its file.
        header: What the file says of its weights.
    """

    path: Path
    header: Header

    @classmethod
    def find(cls, init: str) -> "FirstWeights":
        """Find what ``--init`` names.

        Args:
            init: A checkpoint's path, or a method whose weights come with groklst.

        Raises:
            UsageError: If it is neither, or holds no network's weights.
            InputError: If the file cannot be read.
        """
        if not is_text(init):
            raise InputError(f"--init {init} is a name that is not UTF-8 text; rename the file")
        if not os.path.isfile(init):
            raise UsageError(_no_file(init))
        path = Path(init)
        if holds_fusion(path):
            raise UsageError(
                f"--init {init} holds weights of fusion, which no network takes; "
                "leave --model out, and network out of the file of options"
            )
        try:
            header = read_header(path)
            weighty = find(header.network).needs_weights
        except UnknownMethodError as error:
            raise InputError(f"{path}: {error}") from error
        except ModelsError as error:
            raise InputError(str(error)) from error
        if not weighty:
            raise InputError(f"{path} names {header.network}, which is not a network")
        return cls(path, header)

    def settled(self) -> dict[str, Any]:
        """Return the options that the weights leave no choice of."""
        normalization = self.header.normalization
        return {
            "network": self.header.network,
            "scale": self.header.scale,
            "arguments": dict(self.header.arguments),
            "bands": normalization.band_names,
            "lst_center": normalization.lst_center,
            "trend": normalization.trend,
        }

    def usual(self) -> dict[str, Any]:
        """Return options that are as before where nothing else is said."""
        told = self.header.training.get("options", {})
        before = told.get("band_dropout") if isinstance(told, Mapping) else None
        usable = isinstance(before, float) and 0 < before < 1
        dropout = before if usable else _BAND_DROPOUT
        optional = self.header.normalization.optional_bands
        return {"conserve": self.header.conserve, "band_dropout": dropout if optional else 0.0}

    def check(self, options: TrainOptions) -> None:
        """Refuse options that the weights do not fit.

        Raises:
            UsageError: If there is one.
        """
        for key, of_file in self.settled().items():
            now = getattr(options, key)
            if now == of_file:
                continue
            if key == "arguments":
                names = sorted(of_file.keys() | now.keys())
                key = next(name for name in names if of_file.get(name) != now.get(name))
                of_file, now, key = of_file.get(key), now.get(key), f"arguments.{key}"
            raise UsageError(
                f"--init {self.path} was trained with {key} = {of_file!r}, not {now!r}; "
                f"leave {flag(key)} out, or train without --init"
            )
        if options.band_dropout and not self.header.normalization.optional_bands:
            raise UsageError(
                f"--init {self.path} was trained without --band-dropout and takes no scene that "
                "lacks bands; leave --band-dropout out, or train without --init"
            )

    def to_json(self) -> dict[str, Any]:
        """Say, for the header of what is made of them, where the weights come from."""
        return {"file": self.path.name, "sha256": fingerprint(self.path)}


def _no_file(init: str) -> str:
    shipped = [name for name, entry in REGISTRY.items() if entry.weights is not None]
    if init in shipped:
        return (
            f"--init {init} holds weights of {init}, which no network takes; leave --model out, "
            "and network out of the file of options"
        )
    if init in REGISTRY:
        return (
            f"no weights of {init} come with groklst; name a file of them, "
            f"as in --init {init}.safetensors"
        )
    return (
        f"--init {init} is neither a checkpoint file nor a method whose weights come with groklst "
        f"({', '.join(shipped)})"
    )
