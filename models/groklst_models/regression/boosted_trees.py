"""What boosted trees of all libraries have in common."""

from abc import ABC

from groklst_models.regression.tree_regression import TreeRegression


class BoostedTrees(TreeRegression, ABC):
    """A sum of small trees, each fitted to the residual of those before it.

    Attributes:
        rate: Learning rate.
    """

    def __init__(
        self, *, scale: int, trees: int = 100, leaves: int = 16, rate: float = 0.1, seed: int = 0
    ) -> None:
        """Choose the trees.

        Args:
            scale: Fine pixels along a coarse pixel.
            trees: How many.
            leaves: Largest number of leaves of a tree.
            rate: Learning rate, above 0 and at most 1.
            seed: Seed of random numbers.

        Raises:
            ValueError: If an argument is out of range.
        """
        super().__init__(scale=scale, trees=trees, leaves=leaves, seed=seed)
        if not 0 < rate <= 1:
            raise ValueError(f"rate is {rate}, expected above 0 and not above 1")
        self.rate = rate
