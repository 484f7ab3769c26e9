"""A self-contained page with pictures about an evaluation.

Pictures are embedded in the page until it is large; further ones are linked. All pictures are also
written as files.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from groklst_cli import __version__
from groklst_cli.errors import UsageError
from groklst_cli.geo.durable import put_in_place
from groklst_cli.geo.targets import check_target
from groklst_cli.pages import parts
from groklst_cli.pages.maps import colour_bar, data_uri
from groklst_cli.pages.page import page
from groklst_cli.pipeline.evaluate import figures
from groklst_cli.pipeline.evaluate.contenders import Shown
from groklst_cli.pipeline.evaluate.pixels import Samples
from groklst_cli.pipeline.evaluate.published import Published
from groklst_cli.pipeline.evaluate.scoreboard import (
    FIGURES,
    Evaluation,
    ImageOutcome,
    defined,
    method_head,
    published_cells,
    written,
)
from groklst_cli.pipeline.evaluate.targets import PAGE

_PICTURES: Final = "pictures"
_LARGE: Final = 16 * 2**20
"""Largest size of the pictures that are embedded in the page, bytes."""


class Report:
    """Collects what the page needs while images are scored, then writes it."""

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        """Make the folder.

        Raises:
            UsageError: If it cannot be made.
            OutputExistsError: If a report or pictures are there and may not be replaced.
        """
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--report {folder} is a file; name a folder")
        self._folder, self._overwrite, self._is_new = folder, overwrite, not folder.exists()
        if not self._is_new:
            self._check()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._work = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=folder))
        except OSError as error:
            raise UsageError(
                f"--report {folder} cannot be made: {error.strerror}; name a folder"
            ) from error
        self._samples: dict[str, Samples] = {}
        self._sections: list[str] = []
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the report if it is not complete."""
        shutil.rmtree(self._work, ignore_errors=True)
        if self._is_new and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def watch(self, shown: Shown) -> None:
        """Draw an image's pictures and keep some of its pixels."""
        number = f"{len(self._sections) + 1:03d}"
        maps = self._picture(f"{number}-maps.png")
        figures.draw_maps(shown, maps)
        head = method_head(shown.outcomes.values())
        table = _table(list(shown.outcomes), [_figures(o) for o in shown.outcomes.values()], head)
        section = (
            f"<h3>{parts.text(shown.name)}</h3>",
            self._img(maps, f"Maps of {shown.name}"),
            table,
            self._slider(shown, number),
        )
        self._sections.append("\n".join(section))
        for method, fine in shown.predictions.items():
            found = Samples.of(fine, shown.truth)
            known = self._samples.get(method)
            self._samples[method] = found if known is None else known.joined(found)

    def write(self, evaluation: Evaluation) -> Path:
        """Draw the pictures of all images together, and write the page; return its path."""
        scores, gradient, scatter = (
            self._picture(f"{name}.png") for name in ("scores", "gradient", "scatter")
        )
        figures.draw_scores(evaluation, scores)
        figures.draw_errors_by_gradient(self._samples, gradient)
        figures.draw_scatter(self._samples, scatter)
        standings = evaluation.standings()
        rows = [standing.figures() for standing in standings]
        published = evaluation.beside.remarks
        body = (
            "<h2>Leaderboard</h2>",
            _table(
                [s.method for s in standings],
                rows,
                method_head(evaluation.outcomes),
                evaluation.beside.figures,
            ),
            f'<p class="note">{_legend(rows)}</p>',
            f'<p class="note">{parts.text("; ".join(published))}.</p>' if published else "",
            _left_out(evaluation),
            self._img(scores, "RMSE of every image"),
            "<h2>Error against gradient</h2>",
            self._img(gradient, "RMSE by the gradient of the truth"),
            "<h2>Prediction against truth</h2>",
            self._img(scatter, "Prediction against truth"),
            "<h2>Images</h2>",
            *self._sections,
        )
        text = page(evaluation.title, _facts(evaluation), "\n".join(body), of="evaluate")
        (self._work / PAGE).write_text(text, encoding="utf-8")
        return self._place()

    def _check(self) -> None:
        """Refuse a folder in which the page or a picture cannot or must not be written."""
        pictures = self._folder / _PICTURES
        if os.path.lexists(pictures) and (pictures.is_symlink() or not pictures.is_dir()):
            raise UsageError(
                f"{pictures} is a symbolic link or a file; move it away, or name another folder"
            )
        there = sorted(pictures.iterdir()) if pictures.is_dir() else []
        for path in (self._folder / PAGE, *there):
            check_target(path, overwrite=self._overwrite)

    def _place(self) -> Path:
        """Give the pictures their final names, and then the page."""
        self._check()
        (self._folder / _PICTURES).mkdir(exist_ok=True)
        for picture in sorted(self._work.glob("*.png")):
            put_in_place(picture, self._folder / _PICTURES / picture.name)
        put_in_place(self._work / PAGE, self._folder / PAGE)
        shutil.rmtree(self._work, ignore_errors=True)
        return self._folder / PAGE

    def _slider(self, shown: Shown, number: str) -> str:
        """Make a slider of the best prediction over its coarse LST, or over the truth."""
        best = min(shown.outcomes, key=lambda m: _last_if_nan(shown.outcomes[m].scores.rmse))
        name, before = ("coarse", shown.coarse)
        if before is None:
            name, before = "truth", shown.truth
        paths = [self._picture(f"{number}-{which}.png") for which in ("before", "after")]
        span = figures.limits(shown.truth)
        for plane, path in zip((before, shown.predictions[best]), paths, strict=True):
            figures.draw_layer(plane, shown.truth.shape, span, path)
        under, over = (self._source(path) for path in paths)
        shape = shown.truth.shape[1] / shown.truth.shape[0]
        return parts.slider(under, over, (name, best), shape=shape) + colour_bar(
            "inferno", span, "LST (K)"
        )

    def _picture(self, name: str) -> Path:
        return self._work / name

    def _img(self, path: Path, text: str) -> str:
        return parts.image(self._source(path), text, classes="drawn")

    def _source(self, path: Path) -> str:
        size = path.stat().st_size
        if self._held + size > _LARGE:
            return f"{_PICTURES}/{path.name}"
        self._held += size
        return data_uri(path.read_bytes())


def _table(
    methods: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    first: str = "method",
    beside: Mapping[str, Published] = MappingProxyType({}),
) -> str:
    """Make a table of figures by method, with the best marked and published ones below.

    Columns that no method has are left out.
    """
    shown = defined(rows)
    best = min(rows, key=lambda row: _last_if_nan(row["rmse"]))
    lines = []
    for method, row in zip(methods, rows, strict=True):
        cells = "".join(f"<td>{written(key, row.get(key, math.nan))}</td>" for key in shown)
        mark = ' class="best"' if row is best else ""
        lines.append(f"<tr{mark}><td>{parts.text(method)}</td>{cells}</tr>")
        if method in beside:
            lines.append(_published_row(beside[method], shown))
    meanings = dict(FIGURES[key] for key in shown)
    return parts.table([first, *meanings], lines, meanings)


def _published_row(published: Published, shown: Sequence[str]) -> str:
    cells = "".join(f"<td>{text}</td>" for text in published_cells(published, shown))
    return (
        f'<tr class="published" title="{parts.text(published.source)}">'
        f"<td>{parts.text(published.label)}</td>{cells}</tr>"
    )


def _figures(outcome: ImageOutcome) -> dict[str, float]:
    shifted = math.nan if outcome.shifted is None else outcome.shifted.rmse
    seconds = math.nan if outcome.seconds is None else outcome.seconds
    exact = math.nan if outcome.exact is None else outcome.exact.rmse
    beside = {"rmse_shifted": shifted, "rmse_exact": exact, "seconds": seconds}
    return {**asdict(outcome.scores), **beside}


def _facts(evaluation: Evaluation) -> str:
    """Describe the evaluation on one line."""
    images = len({outcome.image for outcome in evaluation.outcomes})
    facts = [f"{images} image{'s' if images > 1 else ''}", f"groklst {__version__}"]
    facts += [
        f"{key} {value}"
        for key, value in evaluation.protocol.items()
        if isinstance(value, str | int | float) and key not in ("title", "baseline")
    ]
    if "patch" in (fitted := {outcome.fitted_to for outcome in evaluation.outcomes}):
        facts.append("fitted methods are fitted to each patch")
    elif "scene" in fitted:
        facts.append("fitted methods are fitted to each scene")
    if evaluation.baseline:
        facts.append(f"ratios to {evaluation.baseline}")
    return " · ".join(dict.fromkeys(facts))


def _left_out(evaluation: Evaluation) -> str:
    """List what was not scored, and why."""
    failed = {failure.name: failure.line for failure in evaluation.failures}
    told = {"Left out": evaluation.left_out, "Failed": failed}
    return "".join(
        f'<p class="note">{what}: {_listed(images)}.</p>' for what, images in told.items() if images
    )


def _legend(rows: Sequence[Mapping[str, float]]) -> str:
    return "; ".join(f"<b>{FIGURES[key][0]}</b> {FIGURES[key][1]}" for key in defined(rows))


def _listed(images: Mapping[str, str]) -> str:
    return "; ".join(f"{parts.text(name)}: {parts.text(why)}" for name, why in images.items())


def _last_if_nan(rmse: float) -> float:
    return math.inf if math.isnan(rmse) else rmse
