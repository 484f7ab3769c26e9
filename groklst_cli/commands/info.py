"""``groklst info``."""

from typing import Annotated

import typer

from groklst_cli.commands import options


def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Rasters or checkpoints.")],
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Check that files that groklst wrote are still intact: tags, layout, every "
            "pixel, every weight.",
        ),
    ] = False,
    online: options.Online = False,
    json: options.Json = False,
) -> None:
    """Show what rasters and checkpoints contain, and how downscale would use them."""
    from groklst_cli.geo.absent import refuse_absent

    if check:
        _check(files, json=json)
        return
    refuse_absent(files[:1])
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


def _check(files: list[str], *, json: bool) -> None:
    """Print what is wrong with each file, or that it is intact.

    Raises:
        InputError: If something is wrong with one.
    """
    from groklst_cli.commands import console
    from groklst_cli.geo.environment import gdal_environment
    from groklst_cli.pipeline.catalogue.checks import check, refuse_flawed

    with gdal_environment():
        found = {text: check(text) for text in files}
    if json:
        rows = [{"file": text, "whole": not flaw, "flaw": flaw} for text, flaw in found.items()]
        console.print_json(rows)
    else:
        for text, flaw in found.items():
            console.stdout.print(f"{text}: {flaw or 'intact'}")
    refuse_flawed(found)
