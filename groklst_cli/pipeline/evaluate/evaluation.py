"""Evaluate a prediction against a reference, or methods on a dataset or a protocol."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groklst_cli.data.scenes import scene_folders
from groklst_cli.data.sources import open_patches
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import HALF, MaskFile, Masking, SceneMasks
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.reference import LEAST_COVERED, bring_reference, read_lst
from groklst_cli.geo.unit_names import Units
from groklst_cli.pipeline.evaluate.contenders import Contender, Follow, Judgement, Shown, judge
from groklst_cli.pipeline.evaluate.protocol import find_protocol
from groklst_cli.pipeline.evaluate.scoreboard import Evaluation


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate: a prediction, a dataset, or the scenes of a protocol.

    Attributes:
        data: A dataset; or with a protocol, a folder of scenes.
        split: Of the dataset.
        scale: Of the GrokLST dataset.
        protocol: A protocol's name or file.
        scenes: Names of the scenes to run; all when empty.
        prediction: A fine LST.
        reference: The reference for the prediction.
        lst: The coarse LST the prediction was made from, if known.
        masks: Pixels that are compared; all without masks.
        units: Of these three, or None to find out.
        judgement: How the prediction is compared with the reference.
        contenders: Methods to run.
        device: Where networks run.
    """

    data: Path | None = None
    split: str = "test"
    scale: int = 8
    protocol: str | None = None
    scenes: Sequence[str] = ()
    prediction: BandSource | None = None
    reference: BandSource | None = None
    lst: BandSource | None = None
    masks: Sequence[MaskFile] = ()
    units: Units | None = None
    judgement: Judgement = field(default_factory=Judgement)
    contenders: Sequence[Contender] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a request that is incomplete or several in one.

        Raises:
            UsageError: If it is not valid.
        """
        pair = self.prediction is not None and self.reference is not None
        half = (self.prediction is None) != (self.reference is None)
        if half or pair == (self.data is not None):
            raise UsageError(
                "evaluate takes --pred FILE with --ref FILE, or --data DIR with -m NAME, or --data "
                "DIR with --protocol NAME; name exactly one of these"
            )
        stray = {
            "--protocol": pair and self.protocol,
            "--model": pair and self.contenders,
            "--scene": self.scenes and not self.protocol,
            "--lst": self.lst and not pair,
            "--mask": self.masks and not pair,
            "--lst-units": self.units and not pair,
            "--remove-bias or --shift": self.judgement != Judgement() and not pair,
        }
        for option in (name for name, given in stray.items() if given):
            raise UsageError(
                f"{option} has no effect here: --pred and --ref take --lst, --mask, --lst-units, "
                "--remove-bias and --shift, --data takes --model, --protocol takes --scene; "
                f"leave {option} out"
            )
        if not pair and self.protocol is None and not self.contenders:
            raise UsageError("no method was named for --data DIR; add -m NAME|FILE")


def evaluate(request: EvaluationRequest, follow: Follow | None = None) -> Evaluation:
    """Run a request.

    Raises:
        GroklstError: If it fails.
    """
    if request.prediction is not None and request.reference is not None:
        return evaluate_pair(
            request.prediction,
            request.reference,
            lst=request.lst,
            masks=request.masks,
            units=request.units,
            judgement=request.judgement,
            follow=follow,
        )
    assert request.data is not None
    if request.protocol is None:
        patches = open_patches(request.data, request.split, request.scale)
        from groklst_cli.pipeline.evaluate.trials import run_patches  # which imports torch

        return run_patches(patches, request.contenders, device=request.device, follow=follow)
    protocol = find_protocol(request.protocol)
    scene_folders(request.data, request.scenes)
    from groklst_cli.pipeline.evaluate.trials import run_protocol

    return run_protocol(
        protocol,
        request.data,
        request.contenders,
        scenes=request.scenes,
        device=request.device,
        follow=follow,
    )


def evaluate_pair(
    prediction: BandSource,
    reference: BandSource,
    *,
    lst: BandSource | None = None,
    masks: Sequence[MaskFile] = (),
    units: Units | None = None,
    least_covered: float = LEAST_COVERED,
    judgement: Judgement | None = None,
    follow: Follow | None = None,
) -> Evaluation:
    """Compare a fine LST with a reference on any other grid.

    Args:
        prediction: The fine LST.
        reference: The reference.
        lst: The coarse LST it was made from, for the error of coarse means.
        masks: Only pixels that are clear in all of them are compared.
        units: Of all three, or None to find out.
        least_covered: Share of a pixel that valid reference must cover.
        judgement: How to compare.
        follow: Receives the image.

    Raises:
        InputError: If a file cannot be used or none of the pixels has both values.
    """
    with gdal_environment():
        grid, fine = read_lst(prediction, units)
        here, values = read_lst(reference, units)
        path = reference.path
        truth = bring_reference(values, here, grid, least_covered=least_covered, path=path)
        coarse = None if lst is None else _read_coarse(lst, grid, units)
        _cut(truth, grid, masks)
    name = Path(prediction.path).name
    outcome = judge(name, name, fine, truth, coarse, judgement or Judgement())
    if outcome.scores.pixels == 0:
        raise InputError(
            f"{prediction.path} and {path} have no common valid pixel of which the reference "
            f"covers {least_covered:.0%}; name two files of the same place"
        )
    (follow or Follow()).watch(Shown(name, coarse, truth, {name: fine}, {name: outcome}))
    return Evaluation(f"{name} against {Path(path).name}", [outcome])


def _cut(truth: NDArray[np.float32], grid: Grid, masks: Sequence[MaskFile]) -> None:
    """Set the truth to NaN where a mask is not clear."""
    opened = SceneMasks(Masking(lst=masks), grid, ())
    try:
        if masks:
            clear = opened.read_clear(slice(0, grid.height), slice(0, grid.width))
            truth[clear < HALF] = np.nan
    finally:
        opened.close()


def _read_coarse(lst: BandSource, fine: Grid, units: Units | None) -> NDArray[np.float32]:
    """Read the coarse LST of a prediction.

    Raises:
        InputError: If its grid is not the prediction's, coarsened by a whole number.
    """
    grid, coarse = read_lst(lst, units)
    scale = max(1, round(fine.height / grid.height))
    refined = grid.refine(scale)
    if refined.shape != fine.shape or refined.offset_of(fine) != (0, 0):
        raise InputError(
            f"{lst.path} has {grid.height} × {grid.width} pixels, the prediction {fine.height} × "
            f"{fine.width}; expected the LST that was downscaled, on the same extent; name that "
            "file with --lst, or leave --lst out"
        )
    return coarse
