"""``groklst train``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from groklst_cli.commands import completion, options


def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CONFIG.toml]", help="A TOML file of options; --print-config shows them."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A prepared folder, or the GrokLST dataset."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            autocompletion=completion.networks,
            help="The network.",
        ),
    ] = None,
    scale: Annotated[
        int | None, typer.Option("--scale", "-s", help="Fine pixels along a coarse pixel.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder of the run.")] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            autocompletion=completion.shipped,
            help="Start from weights: fusion's own, or a checkpoint, which settles network, bands "
            "and scale.",
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="published|local|paper", help="The set of default values.")
    ] = None,
    band_dropout: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Drop each band with this probability, so that scenes may lack bands."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any option.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            metavar="auto|cpu|cuda[:N]|mps",
            autocompletion=completion.words(("auto", "cpu", "cuda", "mps")),
            help="Where to compute.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out from its last state.")
    ] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all options as TOML, and exit.")
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a network from scratch or from weights; write checkpoints for downscale and evaluate.

    Prints the path of the best checkpoint, or JSON with --json. If started by torchrun or srun, all
    processes train one network together.
    """
    from groklst_cli.commands import console
    from groklst_cli.commands.train_display import display
    from groklst_cli.data.absent import refuse_absent_folder
    from groklst_cli.errors import UsageError
    from groklst_cli.pipeline.train.recipes import collect
    from groklst_cli.pipeline.train_fusion.options import is_fusion

    if resume and init is not None:
        raise UsageError(
            "--init cannot be used with --resume: a run that is resumed has weights of its own; "
            "leave one of them out"
        )
    if is_fusion(config, model, init):
        of_others = {
            "--scale": scale, "--recipe": recipe, "--band-dropout": band_dropout, "--set": set_,
            "--device": device, "--resume": resume or None, "--print-config": print_config or None,
        }  # fmt: skip
        _refuse_flags_of_others([flag for flag, value in of_others.items() if value is not None])
        _train_fusion(config, data, out, init, overwrite=overwrite, json=json, quiet=quiet)
        return
    flags = {
        "data": data and str(data),
        "network": model,
        "scale": scale,
        "out": out and str(out),
        "init": init,
        "recipe": recipe,
        "band_dropout": band_dropout,
        "device": device,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    chosen = collect(config, given, set_ or [], resume=resume)
    if print_config:
        console.stdout.print(chosen.to_toml(), end="")
        return
    from groklst_cli.errors import SMALLER_SAMPLES
    from groklst_cli.pipeline.predict.memory_errors import memory_errors
    from groklst_cli.pipeline.train import run_folder

    with memory_errors(SMALLER_SAMPLES), display(quiet=quiet) as (note, watch):
        run_folder.check(chosen, resume=resume, overwrite=overwrite)
        if chosen.data and not resume:
            refuse_absent_folder(Path(chosen.data))
        from groklst_cli.pipeline.train.sets import open_data  # numpy is imported from here on

        sets = None if resume else open_data(chosen)
        from groklst_cli.pipeline.train.fit import fit  # torch is imported from here on

        result = fit(chosen, resume=resume, overwrite=overwrite, data=sets, note=note, watch=watch)
    if not result.speaks:
        return
    if json:
        console.print_json(result.to_json())
    else:
        console.stdout.print(str(result.checkpoint))


def _refuse_flags_of_others(flags: list[str]) -> None:
    from groklst_cli.errors import UsageError

    if flags:
        raise UsageError(
            f"{', '.join(flags)} cannot be used to train fusion; leave it out, and change a copy "
            "of recipes/fusion.toml instead"
        )


def _train_fusion(
    config: Path | None,
    data: Path | None,
    out: Path | None,
    init: str | None,
    *,
    overwrite: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Train the networks of ``fusion``, which have a recipe of their own."""
    from groklst_cli.commands import console
    from groklst_cli.errors import UsageError
    from groklst_cli.pipeline.train_fusion.options import FusionOptions
    from groklst_cli.pipeline.train_fusion.run import train_fusion

    if data is None or out is None or (config is None and init is None):
        raise UsageError(
            "fusion needs a recipe file; type groklst train RECIPE.toml --data SCENES --out DIR, "
            "as with recipes/fusion.toml, or --init fusion in place of the recipe"
        )
    options = FusionOptions.read(config) if config is not None else FusionOptions.to_tune()
    if init is not None:
        options = replace(options, init=init)
    result = train_fusion(options, data, out, overwrite=overwrite, note=console.Notes(quiet=quiet))
    if json:
        console.print_json(result.to_json())
    else:
        console.stdout.print(str(result.checkpoint))
