"""Turn coarse land surface temperature rasters into fine ones."""

__version__ = "0.1.0"
