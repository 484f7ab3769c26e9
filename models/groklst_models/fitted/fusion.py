"""Fitted answers, fused by a small network that was trained across places.

A linear function of the guides, and two with departures in a narrow and a wide window, are fitted
to the scene; a network that saw many places answers what they got wrong, from their answers, their
errors at the coarse scale and the guides' fine detail. The way is that of learned fusion of
classical estimators, after stacking (D. H. Wolpert, "Stacked generalization", Neural Networks 5,
1992); its weights come with the package, and ``docs/weights.md`` says what they were trained on.
What it does not explain is restored by conserving the coarse means.
"""

from groklst_models.regression.fused_regression import FusedRegression


class Fusion(FusedRegression):
    """Three regressions and networks that correct one of them."""

    def __init__(self, *, scale: int, weights: str | None = None) -> None:
        """Choose the weights.

        Args:
            scale: Fine pixels along a coarse one, 2 to 16.
            weights: Their file; those that come with the package if None.

        Raises:
            ValueError: If the scale is beyond what the weights were trained for.
            CheckpointError: If the file holds no such weights.
        """
        super().__init__(scale=scale, weights=weights)
