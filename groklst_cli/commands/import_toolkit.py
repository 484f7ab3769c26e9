"""``groklst import``."""

from pathlib import Path
from typing import Annotated

import typer

from groklst_cli.commands import completion, options


def import_toolkit(
    toolkit: Annotated[Path, typer.Argument(metavar="TOOLKIT.pth", help="The toolkit's file.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT.safetensors", help="The checkpoint to write.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            autocompletion=completion.networks,
            help="The network.",
        ),
    ],
    scale: Annotated[int, typer.Option("--scale", "-s", help="What it was trained for.")],
    bands: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Guidance channels in order; the dataset's ten."),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Turn a GrokLST toolkit's .pth file into a checkpoint; only its tensors are read."""
    from groklst_cli.commands import console
    from groklst_cli.pipeline.catalogue.entries import import_checkpoint

    names = tuple(bands.split(",")) if bands else None
    header = import_checkpoint(
        toolkit, output, network=model, scale=scale, bands=names, overwrite=overwrite
    )
    if json:
        console.print_json({"output": str(output), **header})
    else:
        console.stdout.print(str(output))
