"""``groklst ingest``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from groklst_cli.commands import options


def ingest(
    products: Annotated[
        list[Path],
        typer.Argument(
            metavar="PRODUCT…",
            help="A product as delivered: its folder, archive (.tar, .tar.gz, .zip) or file.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The scene folder to write.")],
    bounds: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(metavar="L B R T", help="Only this part, in the CRS of the thermal product."),
    ] = None,
    lst_pixel: Annotated[
        Literal["native", "delivered"],
        typer.Option(
            metavar="native|delivered",
            help="'native' aggregates LST pixels that are finer than the sensor's own; "
            "'delivered' keeps them.",
        ),
    ] = "native",
    thermal_band: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Which thermal band to use, as in B11; by default the usual one of the sensor.",
        ),
    ] = "",
    mask_also: Annotated[
        str,
        typer.Option(
            metavar="water,snow", help="Also mask these, where the quality band flags them."
        ),
    ] = "",
    split_window: Annotated[
        str,
        typer.Option(
            metavar="A0,A1,…",
            help="SDGSAT-1: compute the LST as A0 + A1·T2 + A2·(T2 − T3) + A3·(1 − ε) + A4·Δε.",
        ),
    ] = "",
    emissivity: Annotated[
        str,
        typer.Option(
            metavar="E2,E3", help="The emissivities of bands 2 and 3, for --split-window."
        ),
    ] = "",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Convert delivered products into a scene folder for downscale, prepare and evaluate.

    Thermal products become lst.tif and clear.tif, others become guides. Several thermal products
    give one folder each. Prints the folders, or JSON with --json.
    """
    from groklst_cli.commands import console, parse
    from groklst_cli.pipeline.ingest import ingest as pipeline
    from groklst_cli.pipeline.ingest.wishes import Wishes

    wishes = Wishes(
        thermal_band,
        parse.numbers("--split-window", split_window),
        parse.pair("--emissivity", emissivity),
        tuple(mask_also.split(",")) if mask_also else (),
    )
    request = pipeline.Ingestion(products, out, bounds, lst_pixel, wishes, overwrite)
    scenes = pipeline.ingest(request, note=console.Notes(quiet=quiet))
    if json:
        console.print_json([scene.to_json() for scene in scenes])
    else:
        for scene in scenes:
            console.stdout.print(str(scene.path))
