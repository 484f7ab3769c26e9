"""Arrays of xarray to arrays of xarray, at once or lazily."""
