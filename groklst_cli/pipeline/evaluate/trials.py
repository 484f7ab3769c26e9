"""Run methods on many images: the scenes of a protocol, or the patches of a dataset.

Errors that would affect every image are found before the first one runs. After that, an image that
fails does not stop the others.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from groklst_cli.data.folder_words import in_words_of_folders
from groklst_cli.data.patches import PatchSource
from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.errors import InputError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.arrays.rasters import scene_of
from groklst_cli.pipeline.downscale.failure import Failure
from groklst_cli.pipeline.evaluate.cases import Case, cross_sensor_case, patch_case, wald_case
from groklst_cli.pipeline.evaluate.comparable import published_beside
from groklst_cli.pipeline.evaluate.contenders import Contender, Follow, Judgement
from groklst_cli.pipeline.evaluate.match import Match
from groklst_cli.pipeline.evaluate.protocol import BASELINE, CrossSensorProtocol, WaldProtocol
from groklst_cli.pipeline.evaluate.scoreboard import Evaluation, ImageOutcome
from groklst_cli.pipeline.predict.settings import Settings
from groklst_models.freed_memory import return_freed_memory

_LEFT_OUT: Final = 'leave the scene out with "left_out" in its scene.json'
"""What to do about an isolated value that was measured; ``evaluate`` has no option for it."""

_NO_TRUTH: Final = "no coarse pixel of it has a completely valid truth"

AnyProtocol = WaldProtocol | CrossSensorProtocol
T = TypeVar("T")


class _Trial:
    """Collects the outcomes of images; one that fails does not stop the others."""

    def __init__(self, follow: Follow, images: int) -> None:
        self.follow, self._alone = follow, images == 1
        self.outcomes: list[ImageOutcome] = []
        self.left_out: dict[str, str] = {}
        self.failures: list[Failure] = []

    def attempt(self, name: str, step: Callable[[], T]) -> T | None:
        """Run a step for an image; its error is kept, or raised if there is only one image."""
        try:
            return step()
        except Exception as error:  # no error stops the next image
            if self._alone:
                raise
            self.failures.append(Failure(name, error))
            self.follow.note(f"{name} failed, the others continue: {self.failures[-1].line}")
            return None

    def leave_out(self, name: str, reason: str) -> None:
        """Report that an image is not scored."""
        self.left_out[name] = reason
        self.follow.note(f"{name} is left out: {reason}")

    def score(self, run: Match, case: Case) -> None:
        """Run all methods on an image."""
        self.outcomes += self.attempt(case.name, lambda: run(case, self.follow.watch)) or []
        return_freed_memory()


def run_protocol(
    protocol: AnyProtocol,
    folder: Path,
    contenders: Sequence[Contender] = (),
    *,
    scenes: Sequence[str] = (),
    device: str = "auto",
    follow: Follow | None = None,
) -> Evaluation:
    """Run a protocol on a folder of scenes, after checking all of them.

    Args:
        protocol: What to do with every scene.
        folder: Holds a folder for every scene.
        contenders: Methods to run; the protocol's own when empty. Its baseline runs always.
        scenes: Names of the scenes to run; all that are not left out when empty.
        device: Where networks run.
        follow: Receives messages and progress.

    Returns:
        The evaluation, with the scenes that failed.

    Raises:
        GroklstError: If a method cannot run on any scene, or the only scene fails.
    """
    asked = contenders or [Contender.parse(text) for text in protocol.methods]
    judgement = Judgement()
    if isinstance(protocol, CrossSensorProtocol):
        judgement = Judgement(protocol.remove_bias, protocol.shift)
    folders = scene_folders(folder, scenes)
    follow = follow or Follow()
    trial = _Trial(follow, len(folders))
    match = Match([Contender.parse(protocol.baseline), *asked], judgement, device)
    match.check(protocol.scale)
    with gdal_environment():
        looked = [_look(path, protocol, trial, by_name=bool(scenes)) for path in folders]
        fit = [scene for scene in looked if scene is not None]
        for done, scene in enumerate(fit):
            follow.progress(done, len(fit))
            case = trial.attempt(scene.name, partial(_case, scene, protocol))
            if case is None:
                continue
            if case.noise:
                follow.note(f"{scene.name}: its coarse values have noise of {case.noise:.2f} K")
            trial.score(match, case)
    if not trial.outcomes and not trial.failures:
        raise InputError(
            f"{folder}: all {len(folders)} scenes are left out; name one with --scene to run it"
        )
    facts = protocol.to_json()
    return Evaluation(
        protocol.title, trial.outcomes, protocol.baseline, trial.left_out, facts, trial.failures
    )


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
        follow: Receives messages and progress.

    Returns:
        The evaluation, with the patches that failed.

    Raises:
        GroklstError: If a method cannot run on any patch, or the only patch fails.
    """
    if not len(patches):
        raise InputError("the split has no patches; choose another --split, or prepare more scenes")
    follow = follow or Follow()
    trial = _Trial(follow, len(patches))
    match = Match([Contender.parse(BASELINE), *contenders], Judgement(), device)
    match.check(patches.scale)
    beside = published_beside(patches, contenders)
    with gdal_environment():
        _refuse_lost_scenes(patches)
        for index in range(len(patches)):
            follow.progress(index, len(patches))
            name = patches.name(index)
            case = trial.attempt(name, partial(patch_case, patches, index))
            if case is None:
                continue
            if np.isfinite(case.truth).any():
                trial.score(match, case)
            else:
                trial.leave_out(name, _NO_TRUTH)
    if not trial.outcomes and not trial.failures:
        raise InputError("the split has no patches with a valid truth; choose another --split")
    facts = {**patches.describe(), "scale": patches.scale}
    title = f"{facts['kind']} {facts.get('split', '')} ×{patches.scale}"
    beside = beside.of_part(len({outcome.image for outcome in trial.outcomes}), len(patches))
    return Evaluation(
        title, trial.outcomes, BASELINE, trial.left_out, facts, trial.failures, beside
    )


def _look(path: Path, protocol: AnyProtocol, trial: _Trial, *, by_name: bool) -> SceneFolder | None:
    """Open everything that a scene's run needs; None if it is left out."""
    listed = None if by_name else protocol.left_out.get(path.name)
    if listed is not None:
        trial.leave_out(path.name, listed)
        return None
    scene = trial.attempt(path.name, lambda: SceneFolder.read(path))
    if scene is None:
        return None
    if scene.facts.left_out is not None and not by_name:
        trial.leave_out(path.name, scene.facts.left_out)
        return None
    for name, why in scene.passed_over.items():
        trial.follow.note(f"{path.name}: {name} is not used as a guide, {why}")
    return trial.attempt(path.name, lambda: _if_fit(scene, protocol, trial))


def _if_fit(scene: SceneFolder, protocol: AnyProtocol, trial: _Trial) -> SceneFolder | None:
    with in_words_of_folders(str(scene.lst), _LEFT_OUT):
        case = _case(scene, protocol)
    if (reason := _unfit(case, protocol)) is not None:
        trial.leave_out(scene.name, reason)
        return None
    settings = Settings(scale=case.scale)
    for guide in (g for g in case.guides if isinstance(g, BandSource)):
        with in_words_of_folders(guide.path, _LEFT_OUT), scene_of(settings, case.lst, [guide]):
            pass  # files that cannot be opened are found now
    with scene_of(settings, case.lst, case.guides):
        return scene


def _case(scene: SceneFolder, protocol: AnyProtocol) -> Case:
    if isinstance(protocol, WaldProtocol):
        return wald_case(scene, protocol)
    return cross_sensor_case(scene, protocol)


def _unfit(case: Case, protocol: AnyProtocol) -> str | None:
    """Return why a case cannot be scored, or None."""
    if not np.isfinite(case.truth).any():
        return _NO_TRUTH
    if isinstance(protocol, CrossSensorProtocol):
        found, least = case.coarse_correlation, protocol.least_correlation
        if found is not None and not found >= least:
            return f"the sensors' correlation is {found:.3f} at the coarse scale, below {least:g}"
    return None


def _refuse_lost_scenes(patches: PatchSource) -> None:
    """Refuse a folder that lacks a scene of its manifest.

    Raises:
        InputError: If a scene is missing.
    """
    origins = [patches.origin(index) for index in range(len(patches))]
    paths = {path for o in origins if o is not None for path in (o.lst, o.guide) if path}
    lost = sorted(path for path in paths if not os.path.isfile(path))
    if lost:
        raise InputError(
            f"{lost[0]} does not exist ({len(lost)} of {len(paths)} files of whole scenes are "
            "missing), but fitted methods need it; prepare the folder again"
        )
