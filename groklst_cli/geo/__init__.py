"""Rasters, grids, tiles and files; no torch."""
