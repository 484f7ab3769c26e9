"""``groklst import``."""

from pathlib import Path
from typing import Annotated

import typer

from groklst_cli.commands import completion, options


def import_toolkit(
    toolkit: Annotated[
        Path,
        typer.Argument(
            metavar="PUBLISHED.pth", help="The weights file (.pth) of the published code."
        ),
    ],
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
    scale: Annotated[int, typer.Option("--scale", "-s", help="The scale that it was trained for.")],
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="The guidance bands in order; by default the ten of the GrokLST dataset.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="arguments.NAME=VALUE",
            help="A width or depth that differs from the published network; repeatable.",
        ),
    ] = None,
    accept_differences: Annotated[
        bool,
        typer.Option(
            "--accept-differences",
            help="Import the weights although groklst computes this network differently.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Convert weights of published code into a checkpoint; only tensors are read.

    Reads .pth files of the GrokLST toolkit and of the networks' authors; groklst models NAME says
    whose. Weights that would compute something else are refused.
    """
    from groklst_cli.commands import console
    from groklst_cli.pipeline.catalogue.checkpoints import import_checkpoint

    header = import_checkpoint(
        toolkit,
        output,
        network=model,
        scale=scale,
        bands=tuple(bands.split(",")) if bands else None,
        sets=set_ or [],
        accept_differences=accept_differences,
        overwrite=overwrite,
        note=console.Notes(quiet=quiet),
    )
    if json:
        console.print_json({"output": str(output), **header})
    else:
        console.stdout.print(str(output))
