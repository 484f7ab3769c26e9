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
            help="Folders with lst.tif, guides, maybe clear.tif; or an LST file with --guide.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")],
    guide: options.Guide = None,
    mask: options.Mask = None,
    guide_mask: options.GuideMask = None,
    scale: options.Scale = 8,
    patch: Annotated[int, typer.Option(min=2, help="Side of a patch, fine pixels.")] = 256,
    bands: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Guidance bands to keep; all of them.")
    ] = None,
    native_resolution: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SCENE=]N|METRESm",
            help="Aggregate first, where the LST is coarser than its grid: by 3, or to 100m.",
        ),
    ] = None,
    psf: Annotated[
        float, typer.Option(help="Standard deviation of the sensor's blur, coarse pixels.")
    ] = 0.0,
    max_nodata: Annotated[
        float, typer.Option(help="Largest share of a patch where LST or a guide is missing.")
    ] = 0.2,
    whole: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCENE=train|val|test", help="Give a scene to one set instead of cutting it."
        ),
    ] = None,
    vary: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Write N poorer versions of each training patch too: fewer bands, guides that are "
            "off, noisy or blurred, clouds, a blurred truth.",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of what --vary draws.")] = 0,
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
