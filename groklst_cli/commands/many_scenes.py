"""Many scenes on the command line: requests from paths or a list, and their outcomes."""

import os
import re
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from groklst_cli.commands import console, parse, run_log
from groklst_cli.commands.asking import Ask, ask_for, untold_output
from groklst_cli.commands.listed import ListedRequests
from groklst_cli.commands.scene_folders import Named, Shared, all_named
from groklst_cli.data.scenes import is_scene
from groklst_cli.errors import GroklstError, InputError, SomeFailedError, UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.pipeline.downscale.lanes import downscale_scenes, lanes_for
from groklst_cli.pipeline.downscale.many_scenes import SceneOutcome, downscale_many
from groklst_cli.pipeline.downscale.page_names import INDEX
from groklst_cli.pipeline.downscale.report_folder import (
    Index,
    WithPages,
    check_report_folder,
    report_folder,
)
from groklst_cli.pipeline.downscale.request import Refused, Request
from groklst_cli.pipeline.downscale.scene_list import LISTED, SceneRow
from groklst_cli.pipeline.downscale.stacking import check_stack, make_stack
from groklst_cli.pipeline.predict.listeners import Note, Progress, silent
from groklst_cli.shown_text import traced

_ELSEWHERE: Final = re.compile(r"/vsi|\w{2,}:")
"""How a path begins that GDAL does not read as a local file."""


def from_paths(
    ask: Ask, lsts: Sequence[str], folder: Path, shared: Shared, note: Note = silent
) -> list[Request]:
    """Request the same for each LST, or each scene of a folder, into one folder.

    Raises:
        InputError: If a folder contains no scene, or all are left out.
    """
    named = list(all_named(lsts, shared, note))
    if not named:
        raise InputError(
            f'all scenes of {", ".join(lsts)} are left out by "left_out" in their '
            "scene.json; name one that is to be used"
        )
    return [_ask_for_named(ask, one, None, lambda lst: folder, named="lst") for one in named]


def from_list(
    ask: Ask,
    batch_file: Path,
    out_dir: Path | None,
    shared: Shared,
    note: Note = silent,
) -> Collection[Request]:
    """Request each scene of a list with the options of its line, and the same for the rest.

    Raises:
        UsageError: If a line does not make sense, or an output lies outside ``out_dir`` or,
            without one, the list's folder.
    """
    folder = batch_file.parent
    return ListedRequests(
        batch_file, lambda row: _from_row(ask, row, folder, out_dir, shared), note
    )


def _ask_for_named(
    ask: Ask,
    one: Named,
    output: Path | None,
    folder_of: Callable[[BandSource], Path],
    **changes: Any,
) -> Request:
    """Request a scene; if its scale cannot be found, only this scene fails, in its turn."""
    changes = {**one.changes, **changes}
    try:
        if one.why is None:
            return ask_for(ask, output, folder_of, one.name, **changes)
    except GroklstError:
        pass
    untold = output or untold_output(changes["lst"], folder_of, one.name)
    request = ask(output=untold, **changes)
    return request if one.why is None else Refused.of(request, one.why)


@dataclass(frozen=True)
class Reported:
    """A report of many scenes.

    Attributes:
        folder: Where it is to stand.
        command: As it was typed.
        log: The run's log, if there is one, which must not lie in there.
    """

    folder: Path
    command: str
    log: Path | None = None


def run(
    requests: Collection[Request],
    *,
    stack: Path | None = None,
    report: Reported | None = None,
    dry_run: bool,
    json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Run requests; print each result when it is done, and at the end which scenes failed.

    Raises:
        SomeFailedError: If a scene failed; then no stack is written.
    """
    note = console.Notes(quiet=quiet)
    if stack is not None:
        check_stack(stack, requests)
    failed: list[tuple[str, int, str]] = []
    over = 0
    try:
        lanes = 1 if dry_run else lanes_for(requests)
        unit = "tiles" if lanes == 1 else "scenes"
        with (
            _pages(report, requests, stack, dry_run=dry_run) as (index, requests),
            console.progress_bar(unit, quiet=quiet) as progress,
            closing(_outcomes(requests, lanes, note, progress, dry_run=dry_run)) as scenes,
        ):
            for outcome in scenes:
                over += 1
                _show(outcome, json=json, debug=debug)
                if index is not None:
                    index.add(outcome)
                if outcome.failure is not None:
                    failed.append((outcome.request.lst.path, outcome.code, outcome.error or ""))
    except BaseException:
        if over:
            note(f"stopped; {over - len(failed)} of {len(requests)} scenes are done")
        raise
    finally:
        if failed:
            console.print_failures(failed)
    if report is not None and not dry_run:
        note(f"report {report.folder / INDEX}")
    if failed:
        unmade = "" if stack is None else f"{stack} was not written: "
        raise SomeFailedError(
            f"{unmade}{len(failed)} of {len(requests)} scenes failed (see the table); correct "
            "them, and run again with --skip-existing"
        )
    if stack is not None and not dry_run:
        dates = make_stack(stack, requests)
        if json:
            console.print_json({"stack": str(stack), "dates": dates})
        else:
            console.stdout.print(str(stack))


@contextmanager
def _pages(
    report: Reported | None, requests: Collection[Request], stack: Path | None, *, dry_run: bool
) -> Iterator[tuple[Index | None, Collection[Request]]]:
    """Make a report's folder, if there is to be one, and give each scene its page."""
    if report is None:
        yield None, requests
        return
    others = (report.log, stack)
    if dry_run:
        check_report_folder(report.folder, requests, others)
        yield None, requests
        return
    with report_folder(report.folder, requests, others) as folder:
        index = Index(folder, report.command)
        yield index, WithPages(requests, folder)
        index.write()


def _outcomes(
    requests: Collection[Request], lanes: int, note: Note, progress: Progress, *, dry_run: bool
) -> Generator[SceneOutcome, None, None]:
    if dry_run:
        yield from downscale_many(requests, dry_run=True, note=note, progress=progress)
    else:
        yield from downscale_scenes(requests, lanes, note=note, progress=progress)


def _show(outcome: SceneOutcome, *, json: bool, debug: bool) -> None:
    if debug and outcome.failure is not None:
        sys.stderr.write(traced(outcome.failure))
        run_log.tell(traced(outcome.failure))
    run_log.tell(f"{outcome.request.lst.path}: {outcome.status}")
    if json:
        console.print_json(outcome.to_json())
    elif outcome.status == "planned":
        console.stdout.print(f"LST       {outcome.request.lst.path}")
        console.print_plan(outcome.facts, json=False)
    elif outcome.failure is None:
        console.stdout.print(str(outcome.request.output))


def _from_row(
    ask: Ask, row: SceneRow, folder: Path, out_dir: Path | None, shared: Shared
) -> Request:
    try:
        results = out_dir or folder
        changes = _changes(row, results)
        one = _named(row.cells["lst"][0], folder, shared)
        if "guide" in row.cells:
            changes["guides"] = [_source(text, folder) for text in row.cells["guide"]]
        if "like" in changes:
            changes["like"] = _source(changes["like"], folder).path
        if "mask" in row.cells or "guide_mask" in row.cells:
            changes["masks"] = Masks(
                *(
                    tuple(_mask(text, folder) for text in row.cells.get(key, ()))
                    for key in ("mask", "guide_mask")
                )
            )
        named = row.get("output")
        output = None if named is None else results / named
        changes["named"] = parse.naming(None, output)
        folder_of = parse.folder_of if out_dir is None else lambda lst: results
        request = _ask_for_named(ask, one, output, folder_of, **changes)
        for key in ("output", "uncertainty", "picture"):
            if (path := getattr(request, key)) is not None:
                _refuse_outside(key, path, results)
        return request
    except UsageError as error:
        raise UsageError(f"{row.where}: {error}") from error


def _changes(row: SceneRow, results: Path) -> dict[str, Any]:
    """Read the options of a line as the command line does; files are relative to a folder."""
    changes: dict[str, Any] = {}
    for name, option in LISTED.items():
        if (text := row.get(name)) is not None:
            is_file = option.kind is Path
            changes[name] = results / text if is_file else option.of_text(name, text)
    return changes


def _named(text: str, folder: Path, shared: Shared) -> Named:
    """Read an LST, or a scene folder, relative to a folder."""
    if is_scene(folder / text):
        return Named.folder(folder / text, shared)
    source = _source(text, folder)
    return Named(Path(source.path).stem, {"lst": source})


def _source(text: str, folder: Path) -> BandSource:
    """Read ``[NAME=]FILE[,band=N]`` with its file relative to a folder."""
    if os.path.exists(folder / text):
        return BandSource(str(folder / text))
    source = parse.band_source(text)
    if _ELSEWHERE.match(source.path):
        return source
    return replace(source, path=str(folder / source.path))


def _mask(text: str, folder: Path) -> MaskFile:
    """Read ``FILE[:RULE]`` with its file relative to a folder."""
    if os.path.exists(folder / text):
        return MaskFile(BandSource(str(folder / text)))
    mask = MaskFile.parse(text)
    if _ELSEWHERE.match(mask.source.path):
        return mask
    return replace(mask, source=replace(mask.source, path=str(folder / mask.source.path)))


def _refuse_outside(key: str, path: Path, folder: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{key} {path} is outside {folder}; name a file inside that folder, or another "
            "--out-dir"
        )
