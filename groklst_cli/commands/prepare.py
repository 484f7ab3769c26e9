"""``groklst prepare``."""

from pathlib import Path
from typing import Annotated

import typer

from groklst_cli.commands import options


def prepare(
    scenes: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCENE…",
            help="Scene folders with lst.tif, guides and, if present, clear.tif; or an LST "
            "file with --guide.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")],
    guide: options.Guide = None,
    mask: options.Mask = None,
    guide_mask: options.GuideMask = None,
    scale: options.Scale = 8,
    patch: Annotated[int, typer.Option(min=2, help="Side of a patch, fine pixels.")] = 256,
    bands: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Guidance bands to keep; all by default.")
    ] = None,
    native_resolution: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SCENE=]N|METRESm",
            help="Aggregate the LST first if the sensor's pixel is coarser than its grid: by "
            "a factor (3) or to metres (100m).",
        ),
    ] = None,
    psf: Annotated[
        float, typer.Option(help="Standard deviation of the sensor's point spread, coarse pixels.")
    ] = 0.0,
    max_nodata: Annotated[
        float,
        typer.Option(help="Largest share of a patch in which the LST or a guide may be missing."),
    ] = 0.2,
    whole: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCENE=train|val|test",
            help="Put a whole scene into one split instead of dividing it.",
        ),
    ] = None,
    vary: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Also write N degraded versions of each training patch: fewer bands, "
            "misregistered, noisy or blurred guides, clouds, a blurred truth.",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The random seed of --vary.")] = 0,
    patches_only: Annotated[
        bool,
        typer.Option(
            "--patches-only",
            help="Leave out the whole scenes, to which evaluate fits methods without weights: a "
            "smaller folder, to train on another machine.",
        ),
    ] = False,
    online: options.Online = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Cut scenes into training, validation and test patches that are a patch apart.

    Prints the folder, or JSON with --json.
    """
    from groklst_cli.commands import console, parse
    from groklst_cli.data.truth import SceneFiles
    from groklst_cli.geo.environment import gdal_environment
    from groklst_cli.pipeline.prepare import patches as pipeline

    guides = [parse.band_source(text) for text in guide or []]
    masks = parse.masks(mask or [], guide_mask or [])
    request = pipeline.Preparation(
        scenes=[SceneFiles.find(scene, guides, masks) for scene in scenes],
        out=out,
        scale=scale,
        patch=patch,
        bands=tuple(bands.split(",")) if bands else (),
        native=pipeline.parse_native(native_resolution or []),
        psf=psf,
        max_nodata=max_nodata,
        whole=pipeline.parse_whole(whole or []),
        vary=vary,
        seed=seed,
        patches_only=patches_only,
        overwrite=overwrite,
    )
    with gdal_environment(online=online):
        result = pipeline.prepare(request, note=console.Notes(quiet=quiet))
    if json:
        console.print_json(result.to_json())
    else:
        console.stdout.print(str(result.out))
