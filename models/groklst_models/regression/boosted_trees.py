"""What boosted trees have in common, whichever library grows them."""

from abc import ABC

from groklst_models.regression.tree_regression import TreeRegression


class BoostedTrees(TreeRegression, ABC):
    """A sum of small trees, each fitted to what those before it left.

    Attributes:
        rate: Share of its answer that a tree adds.
    """

    def __init__(
        self, *, scale: int, trees: int = 100, leaves: int = 16, rate: float = 0.1, seed: int = 0
    ) -> None:
        """Choose the trees.

        Args:
            scale: Fine pixels along a coarse one.
            trees: How many.
            leaves: At most so many in a tree.
            rate: Share of its answer that a tree adds, above 0 and at most 1.
            seed: Of whatever is drawn at random.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(scale=scale, trees=trees, leaves=leaves, seed=seed)
        if not 0 < rate <= 1:
            raise ValueError(f"rate is {rate}, expected above 0 and not above 1")
        self.rate = rate
