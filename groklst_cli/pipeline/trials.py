"""Running methods over many images: a protocol's scenes, or a dataset's patches."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from groklst_cli.data.patches import PatchSource
from groklst_cli.errors import InputError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.cases import (
    Case,
    cross_sensor_case,
    patch_case,
    scene_folders,
    wald_case,
)
from groklst_cli.pipeline.contest import Contender, Follow, Judgement, Run
from groklst_cli.pipeline.protocol import BASELINE, CrossSensorProtocol, WaldProtocol
from groklst_cli.pipeline.scoreboard import Evaluation, Outcome

_NO_TRUTH: Final = "no whole coarse pixel of it has a valid truth"


def run_protocol(
    protocol: WaldProtocol | CrossSensorProtocol,
    folder: Path,
    contenders: Sequence[Contender] = (),
    *,
    scenes: Sequence[str] = (),
    device: str = "auto",
    follow: Follow | None = None,
) -> Evaluation:
    """Run a protocol over a folder of scenes.

    Args:
        protocol: What to do with every scene.
        folder: Holds a folder for every scene.
        contenders: Methods to run; the protocol's own when empty. Its baseline runs always.
        scenes: Names of the scenes to run; all that the protocol does not leave out when empty.
        device: Where networks run.
        follow: Told how it goes.

    Raises:
        GroklstError: If a scene cannot be used or a method fails on it.
    """
    asked = contenders or [Contender.parse(text) for text in protocol.methods]
    judgement = Judgement()
    if isinstance(protocol, CrossSensorProtocol):
        judgement = Judgement(protocol.remove_bias, protocol.shift)
    follow = follow or Follow()
    outcomes: list[Outcome] = []
    left_out: dict[str, str] = {}
    folders = scene_folders(folder, scenes)
    with TemporaryDirectory(prefix="groklst-") as work:
        run = Run([Contender.parse(protocol.baseline), *asked], judgement, Path(work), device)
        for done, scene in enumerate(folders):
            follow.progress(done, len(folders))
            listed = None if scenes else protocol.left_out.get(scene.name)
            case = None if listed else _case(scene, protocol, Path(work))
            reason = listed or (case and _unfit(case, protocol))
            if case is None or reason:
                left_out[scene.name] = str(reason)
                follow.note(f"{scene.name} is left out: {reason}")
                continue
            outcomes += run(case, follow.watch)
    if not outcomes:
        raise InputError(
            f"{folder}: all {len(folders)} scenes are left out; name one to run with --scene"
        )
    return Evaluation(protocol.title, outcomes, protocol.baseline, left_out, protocol.to_json())


def run_patches(
    patches: PatchSource,
    contenders: Sequence[Contender],
    *,
    device: str = "auto",
    follow: Follow | None = None,
) -> Evaluation:
    """Run methods over a split of a dataset; every patch counts as one image.

    Args:
        patches: The split.
        contenders: Methods to run; plain bicubic runs always, for comparison.
        device: Where networks run.
        follow: Told how it goes.

    Raises:
        GroklstError: If a patch cannot be used or a method fails on it.
    """
    follow = follow or Follow()
    outcomes: list[Outcome] = []
    left_out: dict[str, str] = {}
    with TemporaryDirectory(prefix="groklst-") as work:
        run = Run([Contender.parse(BASELINE), *contenders], Judgement(), Path(work), device)
        for index in range(len(patches)):
            follow.progress(index, len(patches))
            case = patch_case(patches.read(index), patches.bands, patches.scale, Path(work))
            if not np.isfinite(case.truth).any():
                left_out[case.name] = _NO_TRUTH
                follow.note(f"{case.name} is left out: {_NO_TRUTH}")
                continue
            outcomes += run(case, follow.watch)
    if not outcomes:
        raise InputError("the split holds no patch with a valid truth; choose another --split")
    facts = {**patches.describe(), "scale": patches.scale}
    title = f"{facts['kind']} {facts.get('split', '')} ×{patches.scale}"
    return Evaluation(title, outcomes, BASELINE, left_out, facts)


def _case(scene: Path, protocol: WaldProtocol | CrossSensorProtocol, work: Path) -> Case:
    with gdal_environment():
        if isinstance(protocol, WaldProtocol):
            return wald_case(scene, protocol, work)
        return cross_sensor_case(scene, protocol)


def _unfit(case: Case, protocol: WaldProtocol | CrossSensorProtocol) -> str | None:
    """Say why a case cannot tell anything about a method, or None."""
    if not np.isfinite(case.truth).any():
        return _NO_TRUTH
    if isinstance(protocol, CrossSensorProtocol):
        found, least = case.coarse_correlation, protocol.least_correlation
        if found is not None and not found >= least:
            return f"the sensors' correlation is {found:.3f} at the coarse scale, below {least:g}"
    return None
