"""The reference of the Python interface: docstrings, and the table of settings."""

from groklst_cli.pipeline.predict.option import options_of
from groklst_cli.pipeline.predict.settings import Settings
from website.commands import plain

PAGE = """# Python

[xarray.md](../xarray.md) shows how to use it. What is below is written from the docstrings.

::: groklst_cli.xarray_face.downscale
    options:
      heading: groklst_cli.downscale
      show_root_heading: true
      show_root_full_path: true

### Settings by name

{settings}

## Errors

Every error of groklst is one of these, also in Python. [errors.md](../errors.md) explains the exit
codes of the command line.

::: groklst_cli.errors
    options:
      members:
        - GroklstError
        - UsageError
        - InputError
        - OutputExistsError
        - DeviceError
        - ChangedError
        - SomeFailedError
      show_root_heading: false
      show_root_toc_entry: false

## Methods

What a method is for the code that runs it. [contributing.md](../contributing.md) shows how to add
one.

::: groklst_models.registry.build
    options:
      show_root_heading: true
      show_root_full_path: true

::: groklst_models.contract
    options:
      members: [Tiles, Block, SceneView, Method, FittedMethod]
      show_root_heading: false
      show_root_toc_entry: false
"""


def page() -> str:
    """Write the page."""
    return PAGE.format(settings="\n".join(map(_entry, sorted(_settings()))))


def _settings() -> list[str]:
    return [n for n, option in options_of(Settings).items() if option.in_python and n != "scale"]


def _entry(name: str) -> str:
    return f"`{name}`\n:   {plain(options_of(Settings)[name].help)}\n"
