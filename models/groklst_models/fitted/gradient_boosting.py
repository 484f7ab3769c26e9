"""Gradient boosting of trees on guidance.

J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
29(5), 2001; on histograms as in G. Ke et al., "LightGBM", NeurIPS 2017. Small trees, each fitted to
what those before it left. Applied with the sensor's blur and bounded samples.
"""

from sklearn.ensemble import HistGradientBoostingRegressor

from groklst_models.regression.tree_regression import Regressor, TreeRegression


class GradientBoosting(TreeRegression):
    """A sum of small trees."""

    def __init__(
        self, *, scale: int, trees: int = 100, leaves: int = 16, rate: float = 0.1, seed: int = 0
    ) -> None:
        """Choose the trees.

        Args:
            scale: Fine pixels along a coarse one.
            trees: How many.
            leaves: At most so many in a tree.
            rate: Share of its answer that a tree adds, above 0 and at most 1.
            seed: Of the bins.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(scale=scale, trees=trees, leaves=leaves, seed=seed)
        if not 0 < rate <= 1:
            raise ValueError(f"rate is {rate}, it must lie above 0 and not above 1")
        self.rate = rate

    def regressor(self) -> Regressor:
        """Make the trees, still without branches."""
        forest: Regressor = HistGradientBoostingRegressor(
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.rate,
            min_samples_leaf=5,
            early_stopping=False,
            random_state=self.seed,
        )
        return forest
