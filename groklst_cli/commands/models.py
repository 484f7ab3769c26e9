"""``groklst models``."""

from typing import Annotated, Literal

import typer

from groklst_cli.commands import completion, options


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]",
            autocompletion=completion.methods,
            help="Show only this method or checkpoint.",
        ),
    ] = None,
    form: Annotated[
        Literal["table", "markdown"],
        typer.Option(
            "--format",
            help="The format of the list; markdown also computes the costs of every network.",
        ),
    ] = "table",
    json: options.Json = False,
) -> None:
    """List the methods, or show one method or checkpoint."""
    from groklst_cli.commands import console
    from groklst_cli.errors import UsageError
    from groklst_cli.pipeline.catalogue.methods import describe, list_methods

    if form == "markdown":
        if name is not None or json:
            raise UsageError(
                "--format markdown writes the whole catalogue; leave the other arguments out"
            )
        from groklst_cli.pipeline.catalogue.page import catalogue_page

        console.print_page(catalogue_page())
    elif name is not None:
        found = describe(name)
        if json:
            console.print_json(found)
        else:
            console.print_fields(found)
    elif json:
        console.print_json(list_methods())
    else:
        console.print_table(list_methods())
