"""Random forest regression of the LST on guidance.

L. Breiman, "Random Forests", Machine Learning 45, 2001; C. Hutengs & M. Vohland, "Downscaling land
surface temperatures at regional scales with random forest regression", Remote Sensing of
Environment 178, 2016. Trees on bootstrap samples, each split looking at a third of the features,
averaged. Differs from the paper in the sensor's blur and in bounding samples and leaves, so that
time does not grow with the scene.
"""

from sklearn.ensemble import RandomForestRegressor

from groklst_models.regression.tree_regression import Regressor, TreeRegression


class RandomForest(TreeRegression):
    """A mean of trees on bootstrap samples."""

    library = "sklearn"

    def __init__(
        self, *, scale: int, trees: int = 60, leaves: int = 256, share: float = 1 / 3, seed: int = 0
    ) -> None:
        """Choose the forest.

        Args:
            scale: Fine pixels along a coarse pixel.
            trees: How many.
            leaves: Largest number of leaves of a tree.
            share: Of the features, that a split looks at, above 0 and at most 1.
            seed: Seed of the bootstrap.

        Raises:
            ValueError: If an argument is out of range.
        """
        super().__init__(scale=scale, trees=trees, leaves=leaves, seed=seed)
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}, expected above 0 and not above 1")
        self.share = share

    def regressor(self) -> Regressor:
        """Make the forest, not fitted yet."""
        forest: Regressor = RandomForestRegressor(
            n_estimators=self.trees,
            max_leaf_nodes=self.leaves,
            max_features=self.share,
            min_samples_leaf=2,
            random_state=self.seed,
        )
        return forest
