"""Gradient boosting of trees on guidance.

J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
29(5), 2001; on histograms as in G. Ke et al., "LightGBM", NeurIPS 2017. Small trees, each fitted to
the residual of those before it. Applied with the sensor's blur and bounded samples.
"""

from sklearn.ensemble import HistGradientBoostingRegressor

from groklst_models.regression.boosted_trees import BoostedTrees
from groklst_models.regression.tree_regression import Regressor


class GradientBoosting(BoostedTrees):
    """A sum of small trees by scikit-learn; the seed is for the bins."""

    library = "sklearn"

    def regressor(self) -> Regressor:
        """Make the trees, not fitted yet."""
        forest: Regressor = HistGradientBoostingRegressor(
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.rate,
            min_samples_leaf=5,
            early_stopping=False,
            random_state=self.seed,
        )
        return forest
