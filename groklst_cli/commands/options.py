"""Flags that several commands share; those of ``downscale`` are made from its options."""

from typing import Annotated

import typer

from groklst_cli.commands.flags import flag_of
from groklst_cli.pipeline.downscale.running import Running
from groklst_cli.pipeline.predict.option import options_of
from groklst_cli.pipeline.predict.settings import Settings

_SETTINGS, _RUNNING = options_of(Settings), options_of(Running)

Guide = Annotated[
    list[str] | None,
    typer.Option(
        "--guide",
        "-g",
        metavar="[NAME=]FILE[,band=N][,nodata=V][,scaling=tags|none|A[+B]]",
        help="A guide raster, or a folder of them; repeatable. All bands of a file are used "
        "unless one is named.",
    ),
]
Mask = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="FILE[:RULE]",
        help="A mask of the LST, on any grid: 1 is clear in a plain mask; otherwise name the "
        "RULE that says what is clear: landsat-qa, modis-lst-qc, lst-21-qc, ecostress, "
        "hls-fmask, s2-scl, bits=N,…, values=N,…, not=N,…; repeatable.",
    ),
]
GuideMask = Annotated[
    list[str] | None,
    typer.Option(
        "--guide-mask",
        metavar="[NAME=]FILE[:RULE]",
        help="A mask of the guides, or only of the band NAME; repeatable.",
    ),
]
SrcNodata = Annotated[
    str | None,
    typer.Option(
        metavar="V|none",
        help="A stored value of the LST that means 'no value', in addition to the file's own "
        "nodata; 'none': there is no other.",
    ),
]
Scale = Annotated[
    int, typer.Option("--scale", "-s", min=2, max=64, help="Fine pixels along a coarse pixel.")
]
LstUnits = Annotated[str, flag_of(_SETTINGS["lst_units"])]
Overwrite = Annotated[bool, flag_of(_RUNNING["overwrite"])]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Samples = Annotated[int, flag_of(_SETTINGS["samples"])]
Device = Annotated[str, flag_of(_SETTINGS["device"])]
Online = Annotated[bool, flag_of(_RUNNING["online"])]
