"""XGBoost on guidance.

T. Chen & C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016. Small trees, each
fitted by first and second derivatives to the residual of those before it, with leaves shrunk
towards zero; by the authors' library. Differs in bounding samples and leaves, so that time does not
grow with the scene, and in the sensor's blur.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_models.regression.boosted_trees import BoostedTrees
from groklst_models.regression.tree_regression import Regressor


class XGBoost(BoostedTrees):
    """A sum of small trees by XGBoost, whose seed draws each tree's four fifths of the features."""

    library = "xgboost"

    def regressor(self) -> Regressor:
        """Make the trees, not fitted yet."""
        parameters = {
            "max_leaves": self.leaves,
            "max_depth": 0,  # bounded by the leaves alone
            "grow_policy": "lossguide",
            "tree_method": "hist",
            "learning_rate": self.rate,
            "colsample_bytree": 0.8,
            "seed": self.seed,
            "device": "cpu",
            "nthread": 1,  # the number of threads could change the last bits of a histogram
            "verbosity": 0,
        }
        return _Trees(parameters, self.trees)


class _Trees:
    def __init__(self, parameters: dict[str, Any], count: int) -> None:
        self._parameters, self._count = parameters, count

    def fit(self, features: NDArray[np.float32], lst: NDArray[np.float32]) -> None:
        import xgboost

        samples = xgboost.DMatrix(features, lst, nthread=1)
        self._booster: Any = xgboost.train(self._parameters, samples, self._count)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        self._booster.set_param({"nthread": torch.get_num_threads()})
        answers: NDArray[np.float64] = self._booster.inplace_predict(features)
        return answers
