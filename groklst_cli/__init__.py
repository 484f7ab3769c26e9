"""Turn coarse land surface temperature rasters into fine ones."""

from importlib import import_module
from typing import Any

__all__ = ["__version__", "downscale"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load ``downscale`` for arrays on first use, because its libraries take long to import."""
    if name == "downscale":
        return import_module("groklst_cli.xarray_face").downscale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the attributes, including the function that is not loaded yet."""
    return sorted({*globals(), *__all__})
