"""``--fail-if``: a condition under which a run fails, as ``rmse>1.5``."""

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from groklst_cli.errors import SomeFailedError, ThresholdError, UsageError
from groklst_cli.pipeline.evaluate.scoreboard import FIGURE_NAMES, Evaluation

_OPERATORS: Final = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Threshold:
    """A comparison of a figure with a number.

    Attributes:
        name: The figure's.
        sign: One of ``> >= < <=``.
        value: The number.
    """

    name: str
    sign: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME OP NUMBER``.

        Raises:
            UsageError: If it has another form, or does not name a figure.
        """
        parts = re.fullmatch(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*(\S+)\s*", text)
        try:
            value = float(parts[3]) if parts else math.nan
        except ValueError:
            value = math.nan
        if parts is None or not math.isfinite(value):
            raise UsageError(
                f"--fail-if {text!r} is not NAME OP NUMBER with OP one of "
                f"{' '.join(_OPERATORS)}; write it as 'rmse>1.5'"
            )
        if parts[1] not in FIGURE_NAMES:
            raise UsageError(
                f"--fail-if names {parts[1]!r}, which is not a score; choose from "
                f"{', '.join(FIGURE_NAMES)}"
            )
        return cls(parts[1], parts[2], value)

    def check(self, figures: Mapping[str, float], method: str) -> str | None:
        """Return how a method's figures meet the condition, or None.

        A figure that is not defined cannot be shown to be good, so it fails.
        """
        found = figures[self.name]
        if math.isnan(found):
            return (
                f"{self.name} of {method} is not defined, so it cannot be compared with "
                f"{self.value:g}"
            )
        if _OPERATORS[self.sign](found, self.value):
            return f"{self.name} of {method} is {found:.6g}, which is {self.sign} {self.value:g}"
        return None


def check_thresholds(
    thresholds: Sequence[Threshold], evaluation: Evaluation, asked: Sequence[str] = ()
) -> None:
    """Check every requested method against every threshold, and that no image failed.

    Failed images count first: figures of the others alone cannot answer a threshold.

    Args:
        thresholds: Conditions under which the run fails.
        evaluation: What was found.
        asked: Labels of the requested methods; if empty, all except the baseline are checked.

    Raises:
        SomeFailedError: If any image failed, regardless of the figures of the others.
        ThresholdError: If any figure meets a condition.
    """
    standings = evaluation.standings()
    judged = [
        s for s in standings if (s.method in asked if asked else s.method != evaluation.baseline)
    ]
    found = [t.check(s.figures(), s.method) for t in thresholds for s in judged]
    wrong = [text for text in found if text is not None]
    if evaluation.failures:
        raise SomeFailedError(_told(evaluation, wrong))
    if wrong:
        raise ThresholdError(
            f"{'; '.join(wrong)}; this fulfils --fail-if: choose another method, or another "
            "threshold"
        )


def _told(evaluation: Evaluation, wrong: Sequence[str]) -> str:
    """Say how many images failed, and the figures of the others."""
    failed = len(evaluation.failures)
    total = failed + len({outcome.image for outcome in evaluation.outcomes})
    met = f"; of the others, {'; '.join(wrong)}" if wrong and failed < total else ""
    return (
        f"{failed} of {total} images failed (see the table); correct them, or leave them out, and "
        f"run again{met}"
    )
