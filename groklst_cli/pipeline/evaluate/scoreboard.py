"""The outcomes of an evaluation: every method on every image, and the ranking."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from groklst_cli.geo.durable import whole_file
from groklst_cli.geo.metrics import SCORE_NAMES, MeanScores, Scores, plain
from groklst_cli.geo.reference import Shifted
from groklst_cli.geo.targets import check_target
from groklst_cli.pipeline.downscale.failure import Failure
from groklst_cli.pipeline.evaluate.published import Beside, Published
from groklst_cli.shown_text import cell

FIGURES: Final = {
    "rmse": ("RMSE", "mean over the images of the root mean squared error, K"),
    "rmse_median": ("median", "median of the images' RMSE, K"),
    "rmse_pooled": ("pooled", "RMSE over the pixels of all images together, K"),
    "ratio": ("ratio", "mean over the images of RMSE divided by the baseline's"),
    "rmse_exact": ("exact", "RMSE where the coarse values are the truth's exact means, K"),
    "ratio_exact": ("exact ratio", "the ratio for those"),
    "mae": ("MAE", "mean absolute error, K"),
    "bias": ("BIAS", "mean of prediction minus truth, K"),
    "cc": ("CC", "Pearson correlation"),
    "rsd": ("RSD", "relative difference of the standard deviations, 0 is best"),
    "rmse_free": ("free", "RMSE without the bias, K"),
    "rmse_shifted": ("shifted", "RMSE at the best whole-scene shift, K"),
    "ssim": ("SSIM", "structural similarity, 11 × 11 Gaussian window, range of the truth"),
    "texture": ("texture", "detail's standard deviation over the truth's, 1 is best"),
    "gradient_cc": ("gradients", "correlation of the gradients' magnitudes"),
    "rmse_edges": ("edges", "RMSE on the tenth of the pixels with the strongest gradients, K"),
    "coarse_max": ("coarse", "largest error of a coarse pixel's mean, K"),
    "seconds": ("s", "mean wall time per run"),
    "peak_memory": ("MiB", "largest resident memory of the whole process so far"),
}
"""Heading and meaning of the figures in tables, by name."""


FittedTo = Literal["scene", "patch"]
"""What a fitted method was fitted to; a patch alone holds less information than its scene."""

FIGURE_NAMES: Final = (
    *SCORE_NAMES,
    *(f"{name}_median" for name in SCORE_NAMES),
    *("rmse_pooled", "rmse_shifted", "ratio", "rmse_exact", "ratio_exact"),
    *("seconds", "peak_memory"),
)
"""Every figure of a method, as ``Standing.figures`` gives them."""


@dataclass(frozen=True)
class ImageOutcome:
    """One method on one image.

    Attributes:
        image: The image's name.
        method: The contender's label, or the prediction's file.
        scores: Its scores.
        seconds: Wall time of the run; None when nothing was run.
        peak_memory: Largest resident memory of the whole process up to the end of the run, MiB;
            it never falls, so it shows the first run of the method that needs most. None if nothing
            was run or it is not known.
        bias_removed: Mean difference that was subtracted before scoring, kelvin.
        shifted: The best whole-scene shift, if shifts were tried.
        fitted_to: What the method was fitted to; None where it was not fitted.
        noise: Standard deviation of the noise that was added to the coarse values, kelvin.
        exact: Its scores on the truth's exact means, if the scored run had other values.
    """

    image: str
    method: str
    scores: Scores
    seconds: float | None = None
    peak_memory: float | None = None
    bias_removed: float = 0.0
    shifted: Shifted | None = None
    fitted_to: FittedTo | None = None
    noise: float = 0.0
    exact: Scores | None = None

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return plain(asdict(self))


@dataclass(frozen=True)
class Standing:
    """One method over all images.

    Attributes:
        method: Its label.
        summary: Its scores.
        ratio: Mean over the images of its RMSE divided by the baseline's; NaN without one.
        seconds: Mean wall time of a run; NaN when nothing was run.
        peak_memory: See ``ImageOutcome``; largest, MiB.
        rmse_shifted: Mean RMSE at each image's best shift, kelvin; NaN if no shifts were tried.
        rmse_exact: Mean RMSE on exact means, kelvin; NaN if there was no such run.
        ratio_exact: Mean over the images of that RMSE divided by the baseline's; NaN likewise.
    """

    method: str
    summary: MeanScores
    ratio: float
    seconds: float
    peak_memory: float
    rmse_shifted: float
    rmse_exact: float
    ratio_exact: float

    def figures(self) -> dict[str, float]:
        """Return every figure by name: means, then medians, then what concerns all images."""
        medians = {f"{name}_median": value for name, value in self.summary.median.items()}
        return {
            **self.summary.mean,
            **medians,
            "rmse_pooled": self.summary.rmse_pooled,
            "rmse_shifted": self.rmse_shifted,
            "ratio": self.ratio,
            "rmse_exact": self.rmse_exact,
            "ratio_exact": self.ratio_exact,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
        }

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return plain(asdict(self))


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        title: Its title.
        outcomes: Every method on every image.
        baseline: The method that ratios are taken to, or None.
        left_out: Images that were not scored, and why.
        protocol: The protocol as plain data.
        failures: Images that could not be scored, and why.
        beside: Published figures for comparison.
    """

    title: str
    outcomes: Sequence[ImageOutcome]
    baseline: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    beside: Beside = field(default_factory=Beside)

    def standings(self) -> list[Standing]:
        """Rank the methods by their mean RMSE, best first."""
        methods = dict.fromkeys(outcome.method for outcome in self.outcomes)
        return sorted(map(self._standing, methods), key=_rank)

    def rows(self) -> list[dict[str, Any]]:
        """List one flat row for each method and image, for tables."""
        return [
            {
                "image": o.image,
                "method": o.method,
                **o.scores.to_json(),
                "seconds": o.seconds,
                "peak_memory": o.peak_memory,
                "bias_removed": o.bias_removed,
                "shift_rows": o.shifted and o.shifted.rows,
                "shift_columns": o.shifted and o.shifted.columns,
                "rmse_shifted": o.shifted and o.shifted.rmse,
                "fitted_to": o.fitted_to,
                "noise": o.noise,
                "rmse_exact": o.exact and o.exact.rmse,
            }
            for o in self.outcomes
        ]

    def write_csv(self, path: Path, *, overwrite: bool) -> None:
        """Write the rows as CSV, what is not defined left empty.

        Raises:
            OutputExistsError: If the file exists and may not be replaced.
        """
        check_target(path, overwrite=overwrite)
        rows = self.rows()
        with whole_file(path) as made, made.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "title": self.title,
            "baseline": self.baseline,
            "protocol": dict(self.protocol),
            "methods": [standing.to_json() for standing in self.standings()],
            "images": [outcome.to_json() for outcome in self.outcomes],
            "left_out": dict(self.left_out),
            "failed": [failure.to_json() for failure in self.failures],
            "published": self.beside.to_json(),
        }

    def _standing(self, method: str) -> Standing:
        mine = [outcome for outcome in self.outcomes if outcome.method == method]
        base = [outcome for outcome in self.outcomes if outcome.method == self.baseline]
        rmse = [{o.image: o.scores.rmse for o in side} for side in (mine, base)]
        exact = [{o.image: o.exact.rmse for o in side if o.exact} for side in (mine, base)]
        return Standing(
            method=method,
            summary=MeanScores.of([outcome.scores for outcome in mine]),
            ratio=_mean_ratio(*rmse),
            seconds=_mean([o.seconds for o in mine if o.seconds is not None]),
            peak_memory=max((o.peak_memory for o in mine if o.peak_memory), default=math.nan),
            rmse_shifted=_mean([o.shifted.rmse for o in mine if o.shifted is not None]),
            rmse_exact=_mean([*exact[0].values()]),
            ratio_exact=_mean_ratio(*exact),
        )


def _rank(standing: Standing) -> tuple[bool, float]:
    rmse = standing.summary.mean["rmse"]
    return math.isnan(rmse), rmse


def _mean_ratio(rmse: Mapping[str, float], base: Mapping[str, float]) -> float:
    """Divide by the baseline's on every image where that is not 0, then average."""
    return _mean([rmse[image] / base[image] for image in rmse if base.get(image, 0) > 0])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def method_head(outcomes: Iterable[ImageOutcome]) -> str:
    """Return the heading of the column of methods, which says what fitted ones were fitted to."""
    by_patch = any(outcome.fitted_to == "patch" for outcome in outcomes)
    return "method (fitted to each patch)" if by_patch else "method"


def legend(names: Iterable[str]) -> str:
    """Explain headings that are words; abbreviations are common in the field."""
    heads = [FIGURES[name] for name in names]
    return "; ".join(
        f"{head}: {meaning}" for head, meaning in heads if head.islower() and len(head) > 1
    )


def defined(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the figures for tables that are defined in at least one row."""
    return [key for key in FIGURES if any(math.isfinite(row.get(key, math.nan)) for row in rows)]


def written(name: str, value: float) -> str:
    """Write a figure for a table, a dash where it is not defined."""
    if not math.isfinite(value):
        return "–"
    digits = {"seconds": 2, "peak_memory": 0}.get(name, 3)
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0 removes the sign of -0


def published_cells(published: Published, names: Iterable[str]) -> list[str]:
    """Format published figures for a table; figures that the paper does not print stay empty."""
    figures = published.figures
    return [written(name, figures[name]) if name in figures else "" for name in names]
