"""From a scene to fine rows: the part that all ways of downscaling share."""
