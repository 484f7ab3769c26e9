"""``groklst downscale``."""

import math
from pathlib import Path
from typing import Annotated

import typer

from groklst_cli.commands import completion, options


def downscale(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LST|SCENE [OUTPUT]",
            help="The coarse LST raster, or a folder with lst.tif and its guides; and the GeoTIFF "
            "to write, LST_xN.tif by default; with --out-dir every FILE is an LST.",
        ),
    ] = None,
    output_option: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The same as OUTPUT.")
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out-dir", "-O", metavar="DIR", help="Downscale many LSTs into this folder."
        ),
    ] = None,
    batch_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Downscale the scenes that a .csv or .jsonl file lists."),
    ] = None,
    guide: options.Guide = None,
    scale: options.ScaleOrFound = None,
    model: options.Model = "auto",
    src_nodata: options.SrcNodata = None,
    lst_units: options.LstUnits = "auto",
    resampling: options.ResamplingOption = "auto",
    coregister: Annotated[
        str,
        typer.Option(
            metavar="none|auto|DX,DY",
            help="Move guides that lie beside the LST: as found, or by coarse pixels.",
        ),
    ] = "none",
    psf: Annotated[
        str,
        typer.Option(
            metavar="auto|none|SIGMA",
            help="Point spread of the fine product, fine pixels; fitted methods blur by it.",
        ),
    ] = "auto",
    conserve: Annotated[
        str | None,
        typer.Option(
            metavar="kelvin|radiance|none",
            autocompletion=completion.conservations,
            help="Keep every coarse pixel's mean, of T or of T⁴; by default fitted methods do.",
        ),
    ] = None,
    no_conserve: Annotated[
        bool, typer.Option("--no-conserve", help="The same as --conserve none.")
    ] = False,
    sensor_psf: Annotated[
        float,
        typer.Option(help="Conserve the mean under a Gaussian of so many coarse pixels."),
    ] = 0.0,
    uncertainty: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write each pixel's standard deviation, kelvin."),
    ] = None,
    tile: Annotated[int | None, typer.Option(min=1, help="Side of a tile, fine pixels.")] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="What neighbouring tiles share, fine pixels.")
    ] = None,
    batch: Annotated[
        str,
        typer.Option(
            "--batch",
            "-B",
            metavar="auto|N",
            help="Tiles that a network gets at once; 'auto': as many as pay on its device.",
        ),
    ] = "auto",
    device: options.Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|fp32|bf16|fp16",
            autocompletion=completion.precisions,
            help="Of a network's arithmetic.",
        ),
    ] = "auto",
    bounds: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(metavar="L B R T", help="Only this part, in the LST's CRS."),
    ] = None,
    co: Annotated[
        list[str] | None,
        typer.Option("--co", metavar="KEY=VAL", help="A creation option of GDAL's COG driver."),
    ] = None,
    dst_nodata: Annotated[float, typer.Option(help="The output's nodata value.")] = math.nan,
    picture: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Also draw before and after.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Threads to use; all processors by default."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Spread the work over N local processes.")
    ] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let the workers of a Dask scheduler do it."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what an interrupted run has finished.")
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Leave outputs that are whole and still right."),
    ] = False,
    overwrite: options.Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, try one tile, print the plan.")
    ] = False,
    online: options.Online = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a coarse LST raster into a fine one on the same CRS.

    Prints the output's path, or JSON with --json. Many scenes, named with --out-dir or in a
    --batch-file, are done in turn: one that fails does not stop the others, and the exit code is 6.
    """
    from functools import partial

    from groklst_cli.commands import console, many_scenes, parse
    from groklst_cli.pipeline.downscale import one_scene as pipeline

    lsts, output = many_scenes.tell_apart(files or [], output_option, out_dir, batch_file)
    lsts, guides = parse.scene(lsts, parse.guides(guide or [], lsts))
    ask = partial(
        parse.request,
        src_nodata=parse.src_nodata(src_nodata),
        guides=guides,
        scale=scale,
        model=model,
        units=parse.units(lst_units),
        resampling=parse.resampling(resampling),
        coregister=parse.coregistration(coregister),
        psf=parse.point_spread(psf),
        conserve=parse.conserves(conserve, no_conserve=no_conserve),
        radiance=conserve == "radiance",
        sensor_psf=sensor_psf,
        uncertainty=uncertainty,
        tile=tile,
        overlap=overlap,
        batch=parse.batch(batch),
        device=device,
        precision=parse.precision(precision),
        bounds=bounds,
        nodata=dst_nodata,
        creation=parse.creation_options(co or []),
        picture=picture,
        overwrite=overwrite,
        resume=resume,
        skip_existing=skip_existing,
        jobs=jobs,
        workers=workers,
        scheduler=scheduler,
        online=online,
    )
    if out_dir is not None or batch_file is not None:
        if batch_file is not None:
            note = console.Notes(quiet=quiet)
            requests = many_scenes.from_list(ask, batch_file, out_dir, note)
        else:
            requests = many_scenes.from_paths(ask, lsts, out_dir or Path())
        debug = bool(context.find_root().params.get("debug"))
        many_scenes.run(requests, dry_run=dry_run, json=json, quiet=quiet, debug=debug)
        return
    lst = parse.band_source(lsts[0])
    request = many_scenes.ask_for(
        ask,
        parse.named_output(output, output_option),
        parse.folder_of,
        lst=lst,
        named=parse.naming(output, output_option),
    )
    if dry_run:
        plan, estimate = pipeline.plan_downscale(request)
        console.print_plan({**plan.to_json(), "estimate": estimate.to_json()}, json=json)
        return
    with console.progress_bar("tiles", quiet=quiet) as progress:
        result = pipeline.downscale(request, note=console.Notes(quiet=quiet), progress=progress)
    if json:
        console.print_json(result.to_json())
    else:
        console.stdout.print(str(result.output))
