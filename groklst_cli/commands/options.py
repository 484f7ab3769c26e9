"""Flags that several commands share."""

from typing import Annotated

import typer

from groklst_cli.commands import completion

Guide = Annotated[
    list[str] | None,
    typer.Option(
        "--guide",
        "-g",
        metavar="[NAME=]FILE[,band=N][,nodata=V][,scaling=tags|none|A[+B]]",
        help="A guidance raster, or a folder of them; repeatable. All bands of a file count unless "
        "one is named.",
    ),
]
SrcNodata = Annotated[
    str | None,
    typer.Option(
        metavar="V|none",
        help="A stored value of the LST that means 'no value', besides what the file says; "
        "'none': there is no other.",
    ),
]
Scale = Annotated[
    int, typer.Option("--scale", "-s", min=2, max=64, help="Fine pixels along a coarse one.")
]
ScaleOrFound = Annotated[
    int | None,
    typer.Option(
        "--scale",
        "-s",
        min=2,
        max=64,
        help="Fine pixels along a coarse one; by default the checkpoint's, else down to the "
        "finest guide's pixel, else 8.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE",
        autocompletion=completion.methods_and_auto,
        help="A method, a checkpoint file, or 'auto'.",
    ),
]
LstUnits = Annotated[
    str,
    typer.Option(
        "--lst-units",
        metavar="auto|K|C",
        autocompletion=completion.units,
        help="Unit of the LST's values.",
    ),
]
ResamplingOption = Annotated[
    str,
    typer.Option(
        "--resampling",
        "-r",
        metavar="METHOD",
        autocompletion=completion.resamplings,
        help="How guidance comes to the fine grid; 'auto': mean when finer, else bilinear.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        metavar="auto|cpu|cuda[:N]|mps",
        autocompletion=completion.devices,
        help="Where to compute.",
    ),
]
Online = Annotated[
    bool,
    typer.Option("--online/--offline", help="Whether inputs may be fetched from the network."),
]
