"""Local regression of the LST on guidance, in a moving window.

C. Brunsdon, A. S. Fotheringham & M. E. Charlton, "Geographically weighted regression: a method for
exploring spatial nonstationarity", Geographical Analysis 28(4), 1996; S.-B. Duan & Z.-L. Li,
"Spatial downscaling of MODIS land surface temperatures using geographically weighted regression",
IEEE Transactions on Geoscience and Remote Sensing 54(11), 2016. Around every coarse pixel the LST
is regressed on bands and indices, with Gaussian weights, and the coefficients are interpolated to
the fine grid. All moments are convolutions, so the cost is linear in the scene's size. Differs from
the papers in departing from one function for the whole scene, to which coefficients are shrunk
where a window has too little information, in regressing detail on detail, and in the sensor's blur.
"""

from groklst_models.regression.local_regression import LocalRegression


class Local(LocalRegression):
    """A function of bands and indices for the scene, and linear departures from it."""
