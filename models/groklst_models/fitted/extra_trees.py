"""Extremely randomized trees on guidance.

P. Geurts, D. Ernst & L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006. As a
random forest, but all samples in every tree and thresholds drawn at random, which makes the mean
smoother. Applied as the random forest of Hutengs & Vohland (Remote Sensing of Environment 178,
2016), with the sensor's blur and bounded samples and leaves.
"""

from sklearn.ensemble import ExtraTreesRegressor

from groklst_models.regression.tree_regression import Regressor, TreeRegression


class ExtraTrees(TreeRegression):
    """A mean of trees with random thresholds."""

    library = "sklearn"

    def __init__(self, *, scale: int, trees: int = 60, leaves: int = 256, seed: int = 0) -> None:
        """Choose the trees.

        Args:
            scale: Fine pixels along a coarse pixel.
            trees: How many.
            leaves: Largest number of leaves of a tree.
            seed: Seed of the thresholds.

        Raises:
            ValueError: If an argument is out of range.
        """
        super().__init__(scale=scale, trees=trees, leaves=leaves, seed=seed)

    def regressor(self) -> Regressor:
        """Make the trees, not fitted yet."""
        forest: Regressor = ExtraTreesRegressor(
            n_estimators=self.trees,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=2,
            random_state=self.seed,
        )
        return forest
