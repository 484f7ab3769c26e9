"""Local regression of the LST on guidance, in a moving window.

C. Brunsdon, A. S. Fotheringham & M. E. Charlton, "Geographically weighted regression: a method for
exploring spatial nonstationarity", Geographical Analysis 28(4), 1996; S.-B. Duan & Z.-L. Li,
"Spatial downscaling of MODIS land surface temperatures using geographically weighted regression",
IEEE Transactions on Geoscience and Remote Sensing 54(11), 2016. Around every coarse pixel the LST
is regressed on bands and indices, with Gaussian weights, and the coefficients are interpolated to
the fine grid. All moments are convolutions, so the price is linear in the scene. Differs from the
papers in departing from one function for the whole scene, to which coefficients are shrunk where
the window cannot tell, in regressing detail on detail, and in the sensor's blur.
"""

from groklst_models.regression.local_regression import LocalRegression
from groklst_models.regression.polynomial import Degree


class Local(LocalRegression):
    """A function of bands and indices for the scene, and linear departures from it."""

    def __init__(
        self, *, scale: int, window: float = 2.0, degree: Degree = 2, shrinkage: float = 0.03
    ) -> None:
        """Choose the window.

        Args:
            scale: Fine pixels along a coarse one.
            window: Standard deviation of the Gaussian weights, coarse pixels; above 0.
            degree: Of the function for the whole scene.
            shrinkage: Ridge parameter of the departures, as a share of a full window's weight, and
                of the function for the whole scene, for one sample a coefficient. Above 0.

        Raises:
            ValueError: If window or shrinkage are not positive, or the degree is neither 1 nor 2.
        """
        super().__init__(scale=scale, window=window, degree=degree, shrinkage=shrinkage)
