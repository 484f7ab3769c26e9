"""Run and score every method on one image."""

from collections.abc import Sequence
from dataclasses import replace

from groklst_cli.geo.metrics import Scores
from groklst_cli.pipeline.evaluate.cases import Case
from groklst_cli.pipeline.evaluate.contenders import (
    Contender,
    Judgement,
    Shown,
    Watch,
    judge,
    peak_memory,
)
from groklst_cli.pipeline.evaluate.predictor import Predictor
from groklst_cli.pipeline.evaluate.scoreboard import ImageOutcome
from groklst_cli.pipeline.predict.devices import find_device


class Match:
    """Runs every method on a case and scores its prediction."""

    def __init__(self, contenders: Sequence[Contender], judgement: Judgement, device: str) -> None:
        self._contenders = list(dict.fromkeys(contenders))
        self._judgement, self._device = judgement, device
        self._predict = Predictor(device)

    def check(self, scale: int) -> None:
        """Refuse methods and a device that cannot be used for any image.

        Raises:
            GroklstError: If one cannot.
        """
        find_device(self._device)
        for contender in self._contenders:
            contender.check(scale)

    def __call__(self, case: Case, watch: Watch) -> list[ImageOutcome]:
        """Return an outcome for each method, after passing them to the listener."""
        predictions, outcomes = {}, {}
        for contender in self._contenders:
            fine, seconds = self._predict(case, contender)
            memory = peak_memory()
            outcome = judge(
                case.name, contender.label, fine, case.truth, case.coarse, self._judgement
            )
            predictions[contender.label] = fine
            outcomes[contender.label] = replace(
                outcome,
                seconds=seconds,
                peak_memory=memory,
                fitted_to=case.fitted_to if contender.is_fitted else None,
                noise=case.noise,
                exact=self._on_exact_means(case, contender),
            )
        watch(Shown(case.name, case.coarse, case.truth, predictions, outcomes))
        return list(outcomes.values())

    def _on_exact_means(self, case: Case, contender: Contender) -> Scores | None:
        """Score a method on the truth's plain means, if the case has other values."""
        if case.exact is None:
            return None
        fine, _ = self._predict(case.with_exact_means(), contender)
        return judge(
            case.name, contender.label, fine, case.truth, case.exact, self._judgement
        ).scores
