"""The names of resamplings, as GDAL has them."""

from typing import Final, Literal, get_args

ResamplingName = Literal[
    "auto", "nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "max",
    "min", "med", "q1", "q3", "rms", "sum",
]  # fmt: skip
RESAMPLINGS: Final = get_args(ResamplingName)
