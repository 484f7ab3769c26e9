"""Bagged regression trees with a linear model in each leaf.

A few large leaves divide the data, and a linear model in each leaf describes the relation. This is
smoother than trees of constants, and can extrapolate a little.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

_LEAST_WEIGHT: Final = 1e-12


@dataclass(frozen=True)
class Growth:
    """How trees are grown.

    Attributes:
        trees: How many.
        leaves: Largest number of leaves of a tree.
        samples: Fewest in a leaf.
        shrinkage: Ridge parameter in a leaf, for features of one deviation.
        beyond: Share of the training range by which an answer may leave it.
    """

    trees: int
    leaves: int
    samples: int
    shrinkage: float = 0.03
    beyond: float = 0.25


class LinearTrees:
    """The mean of trees on bootstrap samples.

    Attributes:
        lowest: No answer is below.
        highest: No answer is above.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        lst: NDArray[np.float32],
        weights: NDArray[np.float32],
        growth: Growth,
        seed: int,
    ) -> None:
        """Grow the trees.

        Args:
            features: ``(n, F)``.
            lst: ``(n,)``, kelvin.
            weights: ``(n,)``, what a sample counts, positive.
            growth: How.
            seed: Of the bootstrap.
        """
        margin = growth.beyond * float(np.ptp(lst))
        self.lowest, self.highest = float(lst.min()) - margin, float(lst.max()) + margin
        self._mean = features.mean(axis=0)
        deviation = features.std(axis=0)
        varies = deviation > 1e-6 * np.maximum(np.abs(self._mean), 1e-6)
        self._inverse = np.where(varies, 1 / np.where(varies, deviation, 1), 0).astype(np.float32)
        scaled = self._scale(features)
        chance = np.random.default_rng(seed)
        self._trees = []
        for _ in range(growth.trees):
            drawn = chance.integers(0, len(lst), len(lst))
            self._trees.append(_Tree(scaled[drawn], lst[drawn], weights[drawn], growth))

    def answer(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Evaluate at ``(n, F)``; kelvin ``(n,)``."""
        scaled = self._scale(features)
        total = np.zeros(len(features), np.float32)
        for tree in self._trees:
            total += np.clip(tree.answer(scaled), self.lowest, self.highest)
        return total / np.float32(len(self._trees))

    def _scale(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ascontiguousarray((features - self._mean) * self._inverse, np.float32)


class _Tree:
    """A tree, and the offset and slopes of each node that is a leaf."""

    def __init__(
        self,
        features: NDArray[np.float32],
        lst: NDArray[np.float32],
        weights: NDArray[np.float32],
        growth: Growth,
    ) -> None:
        self._tree = DecisionTreeRegressor(
            max_leaf_nodes=growth.leaves, min_samples_leaf=growth.samples, random_state=0
        )
        self._tree.fit(features, lst, sample_weight=weights)
        leaf = self._tree.apply(features)
        self._models = np.zeros((self._tree.tree_.node_count, features.shape[1] + 1), np.float32)
        for node in np.unique(leaf):
            inside = leaf == node
            self._models[node] = _ridge(
                features[inside], lst[inside], weights[inside], growth.shrinkage
            )

    def answer(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        models = self._models[self._tree.apply(features)]
        slopes: NDArray[np.float32] = np.einsum("nf,nf->n", models[:, 1:], features)
        answers: NDArray[np.float32] = slopes + models[:, 0]
        return answers


def _ridge(
    features: NDArray[np.float32],
    lst: NDArray[np.float32],
    weights: NDArray[np.float32],
    shrinkage: float,
) -> NDArray[np.float64]:
    """Return the offset and the slopes of a weighted regression."""
    share = weights.astype(np.float64) / max(float(weights.sum()), _LEAST_WEIGHT)
    mean, level = share @ features, float(share @ lst)
    centred = features - mean
    gram = centred.T @ (centred * share[:, None])
    gram[np.diag_indices_from(gram)] += shrinkage
    slopes = np.linalg.solve(gram, centred.T @ (share * (lst - level)))
    return np.concatenate([[level - mean @ slopes], slopes])
