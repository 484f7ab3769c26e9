"""The best without weights: a local regression that rehearses before it answers.

Two functions of bands and indices, a linear one and one of the second degree, each with departures
in a moving window, first predict the scene's coarse pixels from a twin that is twice as coarse.
What they show there decides how they are mixed, how much of their detail is kept, and what is said
of the gain; where guides do not surely help, what remains is smooth interpolation. What the mixture
does not explain is restored by conserving the coarse means.

L. Breiman, "Stacked regressions", Machine Learning 24, 1996 (weights not negative); C. Brunsdon,
A. S. Fotheringham & M. E. Charlton, "Geographically weighted regression", Geographical Analysis
28(4), 1996.
"""

from functools import partial
from typing import Final

from groklst_models.contract import FittedMethod, SceneView
from groklst_models.errors import FitError
from groklst_models.regression.held_back import HeldBack, in_words
from groklst_models.regression.local_regression import LocalRegression
from groklst_models.regression.rehearsal import rehearse
from groklst_models.sampling.features import Features
from groklst_models.sampling.sensor import estimate_sensor

_USUAL: Final = (0.3, 0.7)
"""Weights of the linear and the quadratic function where the twin cannot tell."""

_PULL: Final = 100.0
"""Pixels that vouch for them."""


class Best(HeldBack):
    """A local regression about a mixture of a linear and a quadratic function.

    Attributes:
        straight: Weight of the linear function, 0 to 1.
        gain: By which its RMSE lay below interpolation's in the rehearsal.
        summary: What was chosen, for people.
    """

    needs_guide = False

    def __init__(self, *, scale: int, window: float = 2.0, shrinkage: float = 0.03) -> None:
        """Choose how the members are fitted.

        Args:
            scale: Fine pixels along a coarse one.
            window: Standard deviation of the local window's Gaussian weights, coarse pixels.
            shrinkage: Ridge parameter, as a share of a full window's weight.

        Raises:
            ValueError: If window or shrinkage are not positive.
        """
        self._local = partial(LocalRegression, window=window, shrinkage=shrinkage)
        super().__init__(self._bent(scale), 0.0)
        self.straight, self.gain = 0.0, 0.0

    def fit(self, scene: SceneView) -> None:
        """Rehearse, then fit; never fail for want of guidance."""
        if not scene.bands:
            return self._interpolate("there are no guides")
        features = Features(tuple(scene.bands), self.scale)
        sensor = estimate_sensor(scene, features)
        rehearsed = rehearse(scene, [self._straight, self._bent], sensor.sigma)
        if rehearsed is None:
            return self._interpolate("too few coarse pixels have both LST and guides")
        weights = rehearsed.weights(_USUAL, _PULL)
        mixed = rehearsed.mixed(weights)
        share = mixed.share()
        if not share:
            return self._interpolate("it is not certain that the guides explain detail of the LST")
        self.straight, self.gain = weights[0], mixed.gain(share)
        mixture = self._local(scale=self.scale, degree=2, straight=self.straight)
        try:
            mixture.fit_through(scene, features, sensor)
        except FitError:
            return self._interpolate("no coarse pixel has both LST and guides")
        self.keep(mixture, share)
        self.summary = (
            f"{self.straight:.2f} linear + {1 - self.straight:.2f} quadratic, with local "
            f"departures; {in_words(share, self.gain, len(mixed.wanted))}"
        )
        return None

    def _straight(self, scale: int) -> FittedMethod:
        return self._local(scale=scale, degree=1)

    def _bent(self, scale: int) -> FittedMethod:
        return self._local(scale=scale, degree=2)

    def _interpolate(self, reason: str) -> None:
        self.keep(self.method, 0.0)
        self.summary = f"smooth interpolation alone: {reason}"
