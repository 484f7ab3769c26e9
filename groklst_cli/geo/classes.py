"""What to do with a map of classes, whose codes are not a quantity."""

from groklst_cli.geo.containers import running


def one_band_a_class(path: str) -> str:
    """Say how to make a guide of 0 and 1 for each class, with what is installed with groklst."""
    code = (
        f"import numpy, rasterio as r; s = r.open({path!r}); a = s.read(1); "
        "[r.open(f'class_{c}.tif', 'w', driver='GTiff', dtype='uint8', count=1, "
        "height=s.height, width=s.width, crs=s.crs, transform=s.transform)"
        ".write((a == c).astype('uint8'), 1) for c in numpy.unique(a)]"
    )
    return f"make a guide of 0 and 1 for each class with: {running(code)}"
