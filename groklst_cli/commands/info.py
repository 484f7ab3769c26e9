"""``groklst info``."""

from typing import Annotated

import typer

from groklst_cli.commands import options


def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Rasters or checkpoints.")],
    online: options.Online = False,
    json: options.Json = False,
) -> None:
    """Explain rasters and checkpoints, and what downscale would do with them."""
    from groklst_cli.commands import console
    from groklst_cli.geo.environment import gdal_environment
    from groklst_cli.pipeline.catalogue.entries import explain

    with gdal_environment(online=online):
        found = [explain(text) for text in files]
    if json:
        console.print_json(found)
        return
    for facts in found:
        console.print_fields(facts)
