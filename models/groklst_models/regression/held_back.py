"""A fitted method that keeps only as much detail as a rehearsal confirms.

On scenes of few coarse pixels, or with guides that are hardly related to the LST, a regression can
be several times worse than plain interpolation. Every run of a fitted method passes through here.
"""

from collections.abc import Callable
from typing import Final

from torch import Tensor

from groklst_models.contract import FittedMethod, SceneView, Tiles
from groklst_models.regression.rehearsal import rehearse
from groklst_models.sampling.interpolation import INTERPOLATION_REACH, upsample_cubic

_OF_THE_MAP: Final = 0.85
"""Share of the gain in a rehearsal that results have; ``benchmarks/promises.py`` measures it."""

_NOTHING: Final = (
    "smooth interpolation alone: it is not certain that the guides explain detail of the LST"
)


class HeldBack(FittedMethod):
    """A fitted method with a reduced share of its detail.

    Attributes:
        method: Fitted.
        share: Share of its detail that is kept, 0 to 1; with 0 it interpolates.
    """

    holds_back = True

    def __init__(self, method: FittedMethod, share: float) -> None:
        """Take over what the method says of itself.

        Args:
            method: Fitted.
            share: Share of its detail that is kept, 0 to 1.
        """
        self.summary = method.summary
        self.keep(method, share)

    def keep(self, method: FittedMethod, share: float) -> None:
        """Keep a share of a method's detail from now on.

        Args:
            method: Fitted.
            share: 0 to 1; with 0, guides are not used.
        """
        self.method, self.share, self.scale = method, share, method.scale
        self.device, self.concurrent = method.device, method.concurrent
        self.uses_guide = share > 0

    @property
    def halo(self) -> int:
        """Coarse pixels that the method or the interpolation reaches."""
        return max(self.method.halo, INTERPOLATION_REACH)

    @property
    def point_spread(self) -> float | None:
        """Standard deviation of the point spread, fine pixels; None where it interpolates."""
        return self.method.point_spread if self.share else None

    @property
    def product_spread(self) -> float | None:
        """Standard deviation of what its answers are blurred by, fine pixels; as above."""
        return self.method.product_spread if self.share else None

    def fit(self, scene: SceneView) -> None:
        """Fit the method again; the share stays."""
        self.method.fit(scene)

    def predict(self, tiles: Tiles) -> Tensor:
        """Predict, and keep the share of what that adds to smooth interpolation. Kelvin."""
        if not self.share:
            return upsample_cubic(tiles.lst, self.scale)
        fine = self.method.predict(tiles)
        if self.share == 1:
            return fine
        plain = upsample_cubic(tiles.lst, self.scale)
        return plain.mul_(1 - self.share).add_(fine, alpha=self.share)


def held_back(
    method: FittedMethod, make: Callable[[int], FittedMethod], scene: SceneView
) -> tuple[FittedMethod, str]:
    """Rehearse a fitted method, and keep as much of its detail as the rehearsal confirms.

    Args:
        method: Fitted to the scene; a method that does this itself, or uses no guides, is not
            changed.
        make: Makes the same method for another scale, not fitted.
        scene: What it was fitted to.

    Returns:
        The method, with reduced detail if needed, and a summary of the rehearsal.
    """
    if method.holds_back or not method.uses_guide or not scene.bands:
        return method, method.summary
    psf = scene.psf if method.point_spread is None else method.point_spread
    rehearsed = rehearse(scene, [make], psf)
    if rehearsed is None:
        return HeldBack(method, 0.0), f"{_NOTHING}, because too few coarse pixels are known"
    share = rehearsed.share()
    if not share:
        return HeldBack(method, 0.0), _NOTHING
    words = in_words(share, rehearsed.gain(share), len(rehearsed.wanted))
    said = f"{method.summary}; {words}" if method.summary else words
    return (method if share == 1 else HeldBack(method, share)), said


def in_words(share: float, gain: float, pixels: int) -> str:
    """Describe a rehearsal in words.

    Args:
        share: Share of the detail that is kept.
        gain: Relative difference of the RMSE from that of interpolation.
        pixels: Number of coarse pixels of that measurement.
    """
    said = (
        f"rehearsal (the method is run on the scene made twice as coarse): the RMSE on {pixels} "
        f"coarse pixels was {gain:.0%} below that of interpolation; expect about "
        f"{_OF_THE_MAP * gain:.0%} below in the result"
    )
    if share == 1:
        return said
    return f"{said}; {share:.0%} of the detail is kept, because the rest is not certain"
