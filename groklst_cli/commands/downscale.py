"""``groklst downscale``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from groklst_cli.commands import options, run_log
from groklst_cli.commands.flags import takes_options
from groklst_cli.pipeline.downscale.running import Running
from groklst_cli.pipeline.predict.settings import Settings


def _from_file(context: typer.Context, config: Path | None) -> Path | None:
    """Take options that are not typed from a file."""
    if config is not None and not context.resilient_parsing:
        from groklst_cli.commands.config_file import keys_of, read_config

        context.default_map = read_config(config, keys_of(context, downscale))
    return config


@takes_options(Settings, Running)
def downscale(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LST|SCENE [OUTPUT]",
            help="The coarse LST raster, or a scene folder with lst.tif and its guides; then "
            "the GeoTIFF to write (by default LST_xN.tif). With --out-dir, every FILE is "
            "an LST, a scene folder, or a folder of scene folders.",
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
    stack: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the results of many scenes to one COG with one band per date, or "
            "to a Zarr store (NAME.zarr) with a time dimension.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write a page with maps and figures about each scene."
        ),
    ] = None,
    guide: options.Guide = None,
    mask: options.Mask = None,
    guide_mask: options.GuideMask = None,
    src_nodata: options.SrcNodata = None,
    *,
    chosen: dict[str, Any],
    no_conserve: Annotated[
        bool, typer.Option("--no-conserve", help="The same as --conserve none.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check all inputs and options, time one tile, and print the plan; write nothing.",
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            is_eager=True,
            callback=_from_file,
            help="A TOML file of options; options on the command line take precedence.",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all options as TOML, and exit.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="Also write all messages with their times to this text file.",
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn a coarse LST raster into a fine one on the same CRS.

    Prints the output's path, or JSON with --json. Many scenes, named with --out-dir or in a
    --batch-file, share --jobs threads, several at a time if memory allows. A scene that fails does
    not stop the others, and the exit code is then 6.
    """
    if (batch_file or out_dir) and not (dry_run or chosen["jobs"] == 1 or chosen["workers"]):
        from groklst_cli.pipeline.downscale import processes

        processes.import_ahead()
    from contextlib import ExitStack
    from dataclasses import replace
    from functools import partial

    from groklst_cli.commands.run_options import RunOptions

    if log is not None and not print_config:
        run_log.begin(log, overwrite=chosen["overwrite"])
    asked = RunOptions.of(context, downscale)
    if print_config:
        typer.echo(asked.to_toml(), nl=False)
        return
    if log is not None:
        asked.log()

    if out_dir is None and batch_file is None and files and len(files) <= 2:
        _refuse_early(files[0], guide or [], chosen["model"])
    from groklst_cli.commands import asking, console, parse
    from groklst_cli.errors import UsageError
    from groklst_cli.geo.targets import spare
    from groklst_cli.pipeline.downscale import one_scene as pipeline

    output_option, many = asked.output, out_dir is not None or batch_file is not None
    lsts, output = asking.tell_apart(files or [], output_option, out_dir, batch_file)
    guides, masks = parse.guides(guide or [], lsts), parse.masks(mask or [], guide_mask or [])
    if not many:
        chosen["scale"] = parse.scale(chosen["scale"], chosen["model"], lsts)
        lsts, guides, masks = parse.scene(lsts, guides, masks)
    if no_conserve:
        chosen["conserve"] = parse.no_conserve(chosen["conserve"])
    chosen |= {"guides": guides, "masks": masks, "src_nodata": parse.src_nodata(src_nodata)}
    ask = partial(parse.request, **chosen, provenance=asked.provenance)
    if many:
        from groklst_cli.commands import many_scenes
        from groklst_cli.commands.scene_folders import Shared

        note, shared = console.Notes(quiet=quiet), Shared.of(chosen)
        if batch_file is not None:
            requests = many_scenes.from_list(ask, batch_file, out_dir, shared, note)
        else:
            requests = many_scenes.from_paths(ask, lsts, out_dir or Path(), shared, note)
        debug = bool(context.find_root().params.get("debug"))
        run_log.open_beside(_named(config, batch_file, *lsts))
        many_scenes.run(
            requests,
            stack=stack,
            report=None if report is None else many_scenes.Reported(report, asked.command, log),
            dry_run=dry_run,
            json=json,
            quiet=quiet,
            debug=debug,
        )
        return
    if stack is not None:
        raise UsageError(f"--stack {stack} is for many scenes; add --out-dir DIR for their results")
    lst = parse.band_source(lsts[0])
    request = asking.ask_for(
        ask,
        parse.named_output(output, output_option),
        parse.folder_of,
        lst=lst,
        named=parse.naming(output, output_option),
    )
    spare(request.targets, _named(config))
    run_log.open_beside(_named(config, *request.targets, *request.rasters, request.model))
    if dry_run:
        if report is not None:
            from groklst_cli.pipeline.downscale.report_folder import check_report_folder

            check_report_folder(report, [request], [log])
        plan, estimate = pipeline.plan_downscale(request)
        console.print_plan({**plan.to_json(), "estimate": estimate.to_json()}, json=json)
        return
    note = console.Notes(quiet=quiet)
    with ExitStack() as held:
        if report is not None:
            from groklst_cli.pipeline.downscale.page_names import INDEX
            from groklst_cli.pipeline.downscale.report_folder import report_folder

            pages = held.enter_context(report_folder(report, [request], [log]))
            request = replace(request, page=pages / INDEX)
        progress = held.enter_context(console.progress_bar("tiles", quiet=quiet))
        result = pipeline.downscale(request, note=note, progress=progress)
    if report is not None:
        note(f"report {report / INDEX}")
    run_log.tell(f"wrote {result.output}: {result.tiles} tiles in {result.seconds:.3f} s")
    if json:
        console.print_json(result.to_json())
    else:
        console.stdout.print(str(result.output))


def _refuse_early(lst: str, guides: Sequence[str], model: str) -> None:
    """Refuse the most common typing errors before rasterio is loaded.

    Raises:
        GroklstError: If the LST or a guide does not exist, or the model is not valid.
    """
    from groklst_cli.geo.absent import refuse_absent
    from groklst_cli.pipeline.predict.choice import check_model

    check_model(model)
    refuse_absent([lst, *guides])


def _named(*names: str | Path | None) -> list[Path]:
    return [Path(name) for name in names if name is not None]
