"""LightGBM on guidance.

G. Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017. Small
trees that grow at their worst leaf, each fitted to the samples of largest error and a share of the
others (gradient-based one-side sampling); by the authors' library. Differs in bounding samples and
leaves, so that time does not grow with the scene, and in the sensor's blur.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_models.regression.boosted_trees import BoostedTrees
from groklst_models.regression.tree_regression import Regressor


class LightGBM(BoostedTrees):
    """A sum of small trees by LightGBM, whose seed draws the samples."""

    library = "lightgbm"

    def regressor(self) -> Regressor:
        """Make the trees, not fitted yet."""
        parameters = {
            "num_leaves": self.leaves,
            "learning_rate": self.rate,
            "min_data_in_leaf": 5,
            "data_sample_strategy": "goss",
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,  # otherwise the faster of two orders of adding up is timed
            "num_threads": 1,  # the number of threads could change the last bits of a histogram
            "verbosity": -1,
        }
        return _Trees(parameters, self.trees)


class _Trees:
    def __init__(self, parameters: dict[str, Any], count: int) -> None:
        self._parameters, self._count = parameters, count

    def fit(self, features: NDArray[np.float32], lst: NDArray[np.float32]) -> None:
        import lightgbm

        samples = lightgbm.Dataset(features, lst, params=self._parameters)
        self._booster: Any = lightgbm.train(self._parameters, samples, self._count)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        threads = torch.get_num_threads()
        answers: NDArray[np.float64] = self._booster.predict(features, num_threads=threads)
        return answers
