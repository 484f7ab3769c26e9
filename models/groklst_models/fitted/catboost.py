"""CatBoost on guidance.

L. Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018.
Small oblivious trees, with the same split in all nodes of a level, each fitted to the residual of
those before it; by the authors' library. Differs in plain boosting, the library's own choice on a
CPU (boosting in an order of the samples took three times as long and was no better on real scenes),
in bounding samples, so that time does not grow with the scene, and in the sensor's blur.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_models.regression.boosted_trees import BoostedTrees
from groklst_models.regression.tree_regression import Regressor


class CatBoost(BoostedTrees):
    """A sum of small oblivious trees by CatBoost."""

    library = "catboost"

    def __init__(
        self, *, scale: int, trees: int = 300, leaves: int = 16, rate: float = 0.1, seed: int = 0
    ) -> None:
        """Choose the trees.

        Args:
            scale: Fine pixels along a coarse pixel.
            trees: How many.
            leaves: Of each tree, a power of two up to 65536.
            rate: Learning rate, above 0 and at most 1.
            seed: Seed of the weights of samples.

        Raises:
            ValueError: If an argument is out of range.
        """
        super().__init__(scale=scale, trees=trees, leaves=leaves, rate=rate, seed=seed)
        self.depth = leaves.bit_length() - 1
        if leaves != 2**self.depth or self.depth > 16:
            raise ValueError(f"leaves is {leaves}, expected a power of two up to 65536")

    def regressor(self) -> Regressor:
        """Make the trees, not fitted yet."""
        parameters = {
            "loss_function": "RMSE",
            "iterations": self.trees,
            "depth": self.depth,
            "learning_rate": self.rate,
            "boosting_type": "Plain",
            "random_seed": self.seed,
            "task_type": "CPU",
            "thread_count": 1,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
        return _Trees(parameters)


class _Trees:
    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters

    def fit(self, features: NDArray[np.float32], lst: NDArray[np.float32]) -> None:
        import catboost

        self._level = float(lst.mean(dtype=np.float64))
        self._booster: Any = None
        if np.ptp(lst) > 0 and np.ptp(features, axis=0).any():
            self._booster = catboost.CatBoost(self._parameters).fit(features, lst)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._booster is None:  # CatBoost refuses to learn from what does not vary
            return np.full(len(features), self._level)
        threads = torch.get_num_threads()
        answers: NDArray[np.float64] = self._booster.predict(features, thread_count=threads)
        return answers
