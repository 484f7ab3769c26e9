"""From xarray to xarray, immediately or lazily."""
