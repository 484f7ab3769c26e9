"""``groklst evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groklst_cli.commands import completion, options

if TYPE_CHECKING:
    from groklst_cli.pipeline.evaluate.scoreboard import Evaluation

_MOST_FAILURES = 40  # rows of the table of failures
_WIDEST = 400  # the table may be wider than the terminal, so that no figure is shortened


def evaluate(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A dataset of patches, or with --protocol a folder of scenes."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="The split of the dataset.")] = "test",
    scale: Annotated[
        int, typer.Option("--scale", "-s", help="The scale of the GrokLST dataset: 2, 4 or 8.")
    ] = 8,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="How methods are tested: a protocol's name or file."
        ),
    ] = None,
    scene: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Evaluate only this scene; repeatable.")
    ] = None,
    pred: Annotated[
        str | None, typer.Option(metavar="FILE", help="A fine LST to score against --ref.")
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The reference that --pred is compared with, on any grid."
        ),
    ] = None,
    lst: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The coarse LST of which --pred was made, to check its coarse means.",
        ),
    ] = None,
    mask: options.Mask = None,
    lst_units: options.LstUnits = "auto",
    remove_bias: Annotated[
        bool, typer.Option("--remove-bias", help="Subtract the mean difference from --ref first.")
    ] = False,
    shift: Annotated[
        int, typer.Option(min=0, max=8, help="Also try shifts of --pred by up to this many pixels.")
    ] = 0,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE[:raw|:conserved]",
            autocompletion=completion.methods_and_auto,
            help="A method or checkpoint; repeatable. Append ':raw' to run it without "
            "conservation.",
        ),
    ] = None,
    samples: options.Samples = 1,
    device: options.Device = "auto",
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write a report (HTML) with pictures to this folder."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a CSV file with one row per image."),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME>NUMBER'",
            help="Exit with code 7 if this holds, as in 'rmse>1.5'; repeatable.",
        ),
    ] = None,
    online: options.Online = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score methods on a dataset or a protocol, or a prediction against a reference.

    Prints a table, or JSON with --json. An image that fails does not stop the others, and the exit
    code is then 6. On the whole test split of the GrokLST dataset, the table also shows published
    figures of the same method.
    """
    from contextlib import ExitStack

    from groklst_cli.data.absent import refuse_absent_folder

    if data is not None and model:
        refuse_absent_folder(data)
    from groklst_cli.commands import console, parse
    from groklst_cli.geo.environment import gdal_environment
    from groklst_cli.pipeline.evaluate import evaluation as pipeline
    from groklst_cli.pipeline.evaluate.contenders import Contender, Follow, Judgement
    from groklst_cli.pipeline.evaluate.targets import PAGE, check_evaluation_targets
    from groklst_cli.pipeline.evaluate.threshold import Threshold, check_thresholds
    from groklst_cli.pipeline.predict.reading import lst_units as read_lst_units

    thresholds = [Threshold.parse(text) for text in fail_if or []]
    request = pipeline.EvaluationRequest(
        data=data,
        split=split,
        scale=scale,
        protocol=protocol,
        scenes=scene or [],
        prediction=None if pred is None else parse.band_source(pred),
        reference=None if ref is None else parse.band_source(ref),
        lst=None if lst is None else parse.band_source(lst),
        masks=parse.masks(mask or [], []).lst,
        units=read_lst_units(lst_units),
        judgement=Judgement(remove_bias, shift),
        contenders=[Contender.parse(text, samples) for text in model or []],
        device=device,
    )
    index = None if report is None else report / PAGE
    with gdal_environment(online=online):
        check_evaluation_targets(request, csv, index, overwrite=overwrite)
    with ExitStack() as held:
        page = None
        if report is not None:
            from groklst_cli.pipeline.evaluate.report import Report  # with matplotlib

            page = held.enter_context(Report(report, overwrite=overwrite))
        watch = (lambda shown: None) if page is None else page.watch
        progress = held.enter_context(console.progress_bar("images", quiet=quiet))
        follow = Follow(console.Notes(quiet=quiet), progress, watch)
        with gdal_environment(online=online):
            evaluation = pipeline.evaluate(request, follow)
        if csv is not None and evaluation.outcomes:
            evaluation.write_csv(csv, overwrite=overwrite)
        if page is not None and evaluation.outcomes:
            page.write(evaluation)
    if json:
        console.print_json(evaluation.to_json())
    elif evaluation.outcomes:
        _print_table(evaluation)
    debug = bool(context.find_root().params.get("debug"))
    _print_failures(evaluation, debug=debug)
    check_thresholds(thresholds, evaluation, [c.label for c in request.contenders])


def _print_failures(evaluation: "Evaluation", *, debug: bool) -> None:
    """Print which images failed and why; of very many only the first."""
    import traceback

    from groklst_cli.commands import console

    for failure in evaluation.failures if debug else ():
        traceback.print_exception(failure.cause)
    if evaluation.failures:
        shown = evaluation.failures[:_MOST_FAILURES]
        console.print_failures([(f.name, f.code, f.line) for f in shown])


def _print_table(evaluation: "Evaluation") -> None:
    """Print a row per method, best first, with every figure that is defined for at least one."""
    from textwrap import fill

    from rich.table import Table

    from groklst_cli.commands import console
    from groklst_cli.pipeline.evaluate.scoreboard import (
        FIGURES,
        defined,
        legend,
        method_head,
        published_cells,
        written,
    )

    standings = evaluation.standings()
    figures = [standing.figures() for standing in standings]
    shown = defined(figures)
    head = method_head(evaluation.outcomes)
    table = Table(head, "images", box=None, pad_edge=False, title=evaluation.title)
    for key in shown:
        table.add_column(FIGURES[key][0], justify="right")
    for standing, row in zip(standings, figures, strict=True):
        cells = [written(key, row[key]) for key in shown]
        table.add_row(standing.method, str(standing.summary.images), *cells)
        if (beside := evaluation.beside.figures.get(standing.method)) is not None:
            table.add_row(f"  {beside.label}", "", *published_cells(beside, shown))
    room = console.stdout.options.update(width=_WIDEST)
    table.width = console.stdout.measure(table, options=room).maximum
    console.stdout.print(table)
    if told := legend(shown):
        console.stdout.print(fill(told, table.width))
    for remark in evaluation.beside.remarks:
        console.stdout.print(fill(remark, table.width))
