"""The networks of ``fusion`` that a training starts from."""

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.names import is_text
from groklst_cli.pipeline.train_fusion.options import FUSION, FusionOptions
from groklst_models.errors import CheckpointError
from groklst_models.header import fingerprint
from groklst_models.regression.fusion_network import FusionNetwork
from groklst_models.regression.fusion_weights import FusionWeights, shipped_file


@dataclass(frozen=True)
class FirstNetworks:
    """Weights of ``fusion`` and where they come from.

    Attributes:
        file: The file's name.
        sha256: Its hash.
        weights: What it holds.
    """

    file: str
    sha256: str
    weights: FusionWeights

    @classmethod
    def find(cls, options: FusionOptions) -> Self:
        """Find what ``--init`` names and see whether it fits a recipe.

        Raises:
            UsageError: If there is no such file, or its networks are of another size.
            InputError: If it cannot be read.
        """
        init = options.init
        if not is_text(init):
            raise InputError(f"--init {init} is a name that is not UTF-8 text; rename the file")
        if init != FUSION and not os.path.isfile(init):
            raise UsageError(
                f"--init {init} is not a file; type --init {FUSION} for the weights that come with "
                "groklst"
            )
        try:
            with shipped_file() if init == FUSION else nullcontext(Path(init)) as path:
                found = cls(path.name, fingerprint(path), FusionWeights.read(path))
        except CheckpointError as error:
            raise InputError(str(error)) from error
        network = found.weights.networks[0]
        size = {"width": network.head.out_channels, "blocks": len(network.blocks)}
        for key, of_file in size.items():
            if (now := getattr(options, key)) != of_file:
                raise UsageError(
                    f"--init {init} was trained with {key} = {of_file}, not {now}; "
                    f"write {key} = {of_file} into the recipe, or train without --init"
                )
        return found

    def of(self, place: int) -> FusionNetwork:
        """Return the network that the seed at a place starts from; after the last, the first."""
        return self.weights.networks[place % len(self.weights.networks)]

    def to_json(self) -> dict[str, Any]:
        """Say where the weights come from, and what they were trained on."""
        scenes = self.weights.facts.get("scenes", {})
        return {"file": self.file, "sha256": self.sha256, "scenes": list(scenes)}
