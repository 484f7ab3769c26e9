"""From a scene to fine rows: what every way of downscaling has in common."""
