"""``groklst models``."""

from typing import Annotated

import typer

from groklst_cli import options


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="One method or checkpoint only.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List the methods, or show one method or checkpoint."""
    from groklst_cli import console
    from groklst_cli.pipeline.catalogue import describe, list_methods

    if name is not None:
        found = describe(name)
        if json:
            console.print_json(found)
        else:
            console.print_fields(found)
        return
    rows = list_methods()
    if json:
        console.print_json(rows)
    else:
        console.print_table(rows)
